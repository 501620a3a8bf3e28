"""Frames as a kernel's ports may get them: real requests, mutated, with and without the key."""

import json
import random

DELIMITER = b"<IDS|MSG>"
REQUESTS = {
    "execute_request": {"code": "globalThis.fuzzed = 1", "silent": False, "store_history": True,
                        "user_expressions": {"a": "1"}, "allow_stdin": True},
    "complete_request": {"code": "Math.ab", "cursor_pos": 7},
    "inspect_request": {"code": "Math.abs", "cursor_pos": 4, "detail_level": 0},
    "is_complete_request": {"code": "if (1) {"},
    "history_request": {"hist_access_type": "tail", "n": 3, "output": True, "raw": True},
    "kernel_info_request": {},
    "comm_info_request": {"target_name": "t"},
    "comm_open": {"comm_id": "c", "target_name": "t", "data": {}},
    "comm_msg": {"comm_id": "c", "data": {}},
    "interrupt_request": {},
    "debug_request": {"seq": 1, "type": "request", "command": "initialize"},
    "input_reply": {"value": "x"},
    "unknown_request": {"a": [1, {"b": None}]},
}  # fmt: skip
ODD = [None, True, -1, 0, 1e308, 2**80, "", "\ud800", "2020-01-01T00:00:00Z", [], [[]], {}, {"": 0}]
DEEP = b'{"a":' * 100_000
PARTS = (b"", b"null", b"[]", b"{}", b"NaN", b'{"a": 1e999}', b"\xff\xfe", b'"', b"{" * 9)


def frames(session, count, seed):
    """`count` messages, each a list of frames. Half of them are signed."""
    chance = random.Random(seed)
    yield [DELIMITER]
    yield []
    for _ in range(count - 2):
        kind = chance.choice(list(REQUESTS))
        message = session.msg(kind, json.loads(json.dumps(REQUESTS[kind])))
        if chance.random() < 0.5:
            mutate_value(message, chance)
        fields = ("header", "parent_header", "metadata", "content")
        parts = [json.dumps(message[name], default=str).encode() for name in fields]
        if chance.random() < 0.3:
            mutate_bytes(parts, chance)
        if chance.random() < 0.01:
            parts[chance.randrange(len(parts))] = DEEP
        signature = session.sign(parts) if chance.random() < 0.5 else bytes(chance.randbytes(8))
        whole = [DELIMITER, signature, *parts]
        if chance.random() < 0.1:
            mutate_list(whole, chance)
        yield whole


def mutate_value(message, chance):
    """Sets, or takes away, one field at any depth."""
    at = message[chance.choice(("header", "content", "content", "content"))]
    while True:
        if not at or chance.random() < 0.1:
            at["odd"] = chance.choice(ODD)
            return
        name = chance.choice(list(at))
        if isinstance(at[name], dict) and chance.random() < 0.5:
            at = at[name]
        elif chance.random() < 0.3:
            del at[name]
            return
        else:
            at[name] = chance.choice(ODD)
            return


def mutate_bytes(parts, chance):
    index = chance.randrange(len(parts))
    part = bytearray(parts[index])
    if chance.random() < 0.5:
        part = chance.choice(PARTS)
    elif chance.random() < 0.5:
        del part[chance.randrange(len(part)) :]
    else:
        part[chance.randrange(len(part))] = chance.randrange(256)
    parts[index] = bytes(part)


def mutate_list(whole, chance):
    index = chance.randrange(len(whole))
    if chance.random() < 0.4:
        del whole[index]
    elif chance.random() < 0.5:
        whole.insert(index, chance.randbytes(chance.randrange(30)))
    else:
        del whole[index:]
