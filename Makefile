# Every target sets up first what it needs; `make` alone lists them.
PYTHON ?= python3
DENO := .venv/bin/deno
# What was set on make's command line, where a misspelt name would have no effect.
export GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
# Behind a company's proxy the Hub's certificate, too, is in the system's store.
export DENO_TLS_CA_STORE ?= system,mozilla
ifdef TEXT
# As it was given: its "$" starts no variable of make.
override TEXT := $(value TEXT)
export TEXT
endif

help: ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## install what is missing into .venv and node_modules
	@"$(PYTHON)" bootstrap.py

run: setup ## run the five notebooks and write a report (PROFILE=sample, quick or seed; DATA=my.csv)
	@$(DENO) task -q run

report: setup ## build the last run's report anew, and as one PDF (PROFILE or DATA as for the run)
	@$(DENO) task -q report

predict: setup ## classify TEXT="…", or a pipe of lines, with the adapter of the last run
	@$(DENO) task -q predict

lab: setup ## open JupyterLab on the notebooks
	@$(DENO) task lab

test: setup ## check the code and run all tests, the notebooks included
	@$(DENO) task ok

render: setup ## run the notebooks and keep their outputs in notebooks/
	@$(DENO) task render

parity: setup ## compare with Transformers, peft and PyTorch, live
	@test -x .venv-parity/bin/python || "$(PYTHON)" -m venv .venv-parity
	@.venv-parity/bin/pip install -q -r test/parity/requirements.txt
	@$(DENO) task parity

soak: setup ## the long tests: kills, mutated files, a hostile Hub, thousands of steps
	@test -x .venv-parity/bin/python || "$(PYTHON)" -m venv .venv-parity
	@.venv-parity/bin/pip install -q -r test/parity/requirements.txt
	@$(DENO) task soak

bench: setup ## compare the speed with Transformers, peft and PyTorch (an hour or two)
	@test -x .venv-parity/bin/python || "$(PYTHON)" -m venv .venv-parity
	@.venv-parity/bin/pip install -q -r bench/requirements.txt
	@$(DENO) task bench

growth: setup ## show how time and memory grow with rows, length and batch (ten minutes)
	@$(DENO) task growth

profile: setup ## show a training step by op
	@$(DENO) task profile

clean: ## remove what runs have written
	rm -rf runs

.PHONY: help setup run report predict lab test render parity soak bench growth profile clean
