"""Runs jupyter_kernel_test, the standard tests of Jupyter kernels, on the kernel `deno`."""

import unittest

from jupyter_kernel_test import IopubWelcomeTests, KernelTests


class DenoKernel(KernelTests):
    kernel_name = "deno"
    language_name = "typescript"
    file_extension = ".ts"
    code_hello_world = 'console.log("hello, world")'
    code_stderr = 'console.error("hello, world")'
    completion_samples = [
        {"text": "structuredC", "matches": ["structuredClone"]},
        {"text": "Math.ab", "matches": ["abs"]},
        {"text": "let a = Math.ab", "matches": ["abs"]},
        {"text": "Deno.version.den", "matches": ["deno"]},
    ]
    complete_code_samples = ["1", "const a = 1;", '{"a": 1}', "f(\n  1,\n);", "await x", ""]
    incomplete_code_samples = ["if (true) {", "f(", "const s = `a", "/* a", "class A {", "[1,"]
    invalid_code_samples = ["const = 1;", "1 +* 2", "}", '"abc', "f(1]"]
    code_generate_error = 'throw new Error("first")'
    code_execute_result = [
        {"code": "1 + 2 + 3", "result": "6"},
        {"code": '"a" + "b"', "result": '"ab"'},
        {"code": "({ a: [1, null] })", "result": "{ a: [ 1, null ] }"},
        {"code": "new Map([[1, true]])", "result": "Map(1) { 1 => true }"},
    ]
    code_display_data = [
        {"code": "Deno.jupyter.display(Deno.jupyter.html`<b>a</b>`)", "mime": "text/html"},
        {"code": "Deno.jupyter.display(Deno.jupyter.md`**a**`)", "mime": "text/markdown"},
    ]
    code_history_pattern = "1?+ 2*"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "structuredClone"
    code_clear_output = 'Deno.jupyter.broadcast("clear_output", { wait: false })'

    @unittest.skip("a pager's payload is how IPython shows help; a Deno cell has no means to ask")
    def test_pager(self):
        pass


class DenoKernelIopubWelcome(IopubWelcomeTests):
    kernel_name = "deno"

    @unittest.skip("as in ipykernel, iopub is a PUB socket; only an XPUB socket could send it")
    def test_recv_iopub_welcome_msg(self):
        pass


if __name__ == "__main__":
    del KernelTests, IopubWelcomeTests
    unittest.main()
