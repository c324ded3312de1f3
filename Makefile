# Two commands set everything up and do the work: `make bench` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11; try make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

setup: $(READY) ## Create .venv with the pinned versions

bench: $(READY) ## The table of what recording costs, in two and a half minutes
	$(BIN)/harness overhead

bench-steps: $(READY) ## Each step of recording through pytest-benchmark, then one scraped and audited run (two minutes)
	@mkdir -p .benchmarks
	@echo "Benchmarks of each step, about a minute:"
	@failed=0; \
	$(BIN)/python -m pytest benchmarks --quiet --benchmark-quiet --benchmark-json=.benchmarks/latest.json || failed=$$?; \
	echo; PYTHONPATH=. $(BIN)/python benchmarks/summary.py .benchmarks/latest.json || failed=$$?; \
	$(BIN)/harness history import .benchmarks/latest.json || failed=$$?; \
	echo; echo "Now one run of 10 s, scraped and audited:"; \
	$(BIN)/harness run --duration 10s || failed=$$?; \
	exit $$failed

bars: $(READY) ## Check the speed bars, each missed one a failure; for maintainers, on a quiet machine (a minute)
	$(BIN)/python -m pytest benchmarks --quiet --benchmark-quiet --strict-bars -k 'bar or test_faker or test_lognormal'

heap-effect: $(READY) ## Measure the effect of a large heap on each way of recording (ten minutes)
	$(BIN)/python benchmarks/cost/heap_effect.py

bench-full: $(READY) ## The whole matrix: table, ladder, laws, scrapes, rates, self-test (some 45 minutes)
	$(BIN)/harness overhead full

what-it-costs: $(READY) ## Measure the whole matrix and write docs/what-a-metric-costs.md from it (an hour)
	$(BIN)/python benchmarks/cost/what_a_metric_costs.py

lean-wheel: $(READY) ## Build the wheel of opencensus-lean, for programs that want no harness, in dist
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist ./opencensus_lean
	@ls dist/opencensus_lean-*.whl

lean-cost: $(READY) ## Compare the cost of a line between opencensus-lean and prometheus-client, at 1 to 1 000 series (ten minutes)
	$(BIN)/python benchmarks/cost/lean_cost.py --docs

account: $(READY) ## Account for 100 000 000 lines through each of two ways of recording, to the last (an hour)
	$(BIN)/python benchmarks/endurance/account.py --docs

SOAK ?= 60m
soak: $(READY) ## Memory, descriptors, lag and page times of a run, a demo and four workers, an hour each; SOAK=10m shortens
	$(BIN)/python benchmarks/endurance/soak.py --duration $(SOAK) --docs

repeats: $(READY) ## 1 000 runs in one process and 200 commands in a row leave nothing behind (an hour)
	$(BIN)/python benchmarks/endurance/repeats.py --docs

opencensus-tests: $(READY) ## Run OpenCensus' own unit tests from OPENCENSUS=path, with and without opencensus-lean
	$(BIN)/python benchmarks/cost/opencensus_tests.py "$(OPENCENSUS)"

live-cost: $(READY) ## What the live page costs a run: lag p99 without it, unwatched, and in a browser (25 minutes)
	$(BIN)/python benchmarks/scale/live_cost.py

live-picture: $(READY) ## The pictures of the live page, from a real demo and Chromium (two minutes)
	$(BIN)/python benchmarks/pictures/live_picture.py

report-picture: $(READY) ## The README's picture of a report, from 24 real runs and Chromium (three minutes)
	$(BIN)/python benchmarks/pictures/report_picture.py

validate: $(READY) ## Run hundreds of experiments that validate the method, and write their tables in docs/ (hours; continues where it stopped)
	@$(BIN)/python benchmarks/method/validate.py --docs; kept=$$?; $(BIN)/python benchmarks/cost/what_a_metric_costs.py --render; exit $$kept

check-overhead: $(READY) ## Run a new measurement (three minutes) and compare it with the stored runs
	@$(BIN)/harness check --fresh --budget 3m --instruments opencensus,opencensus-lean,prometheus-client,opentelemetry \
	|| { code=$$?; case $$code in \
	1) echo "check-overhead: exit code 1: recording regressed, or something could not be measured; the lines above say which";; \
	2) echo "check-overhead: exit code 2: wrong usage";; \
	3) echo "check-overhead: exit code 3: undecided; nothing is known to have regressed. More runs or a longer --budget decide";; \
	130) echo "check-overhead: exit code 130: interrupted";; \
	esac >&2; exit $$code; }

series-scale: $(READY) ## Measure page time, audit time and memory from 1 to 30 000 series (a quarter of an hour)
	$(BIN)/python benchmarks/scale/series_scale.py

check-load: $(READY) ## Check that a busy machine is not taken for a slower library: 80 real runs (two hours; continues where it stopped)
	$(BIN)/python benchmarks/method/check_load.py $(CHECK_LOAD)

check-rates: $(READY) ## Simulate how often `harness check` is right and wrong (ten minutes)
	$(BIN)/python benchmarks/method/check_rates.py

workers-scale: $(READY) ## Two local workers against one, beside two bare loops, and the start of eight (ten minutes)
	$(BIN)/python benchmarks/scale/workers.py

coordinator-scale: $(READY) ## The coordinator at 10, 100 and 1 000 workers: start, live progress, results (five minutes)
	$(BIN)/python benchmarks/scale/coordinator_scale.py

fuzz: $(READY) ## Try 50 000 inputs made at random, and write docs/reliability.md (an hour; FUZZ='--inputs N --seed S')
	PYTHONPATH=. $(BIN)/python -m benchmarks.fuzz --docs $(FUZZ)

history-scale: $(READY) ## List and check a history of 10 000 runs, timed
	$(BIN)/python benchmarks/scale/history_scale.py

history-kills: $(READY) ## Kill a process 500 times at random instants while it saves results
	$(BIN)/python -m pytest -m slow tests/harness/history/test_store.py

history-faults: $(READY) ## Test the store with kills, several writers, a full disk, and read-only, damaged and newer documents
	$(BIN)/python -m pytest --verbose -m 'slow or not slow' tests/harness/history/test_store.py tests/harness/cli/test_history_command.py \
		-k 'kills or at_once or full_disk or failing_disk or read_only or bad_document or changed_byte'

detector-rates: $(READY) ## Simulate how often the change detector is right and wrong (an hour)
	$(BIN)/python benchmarks/method/detector_rates.py

control-rates: $(READY) ## Simulate how often honest calls are void and biased ones accepted (half an hour)
	$(BIN)/python benchmarks/method/control_rates.py

pair-rate: $(READY) ## Pairs a minute and A/A spread, this tree against an earlier revision, alternating (15 minutes)
	$(BIN)/python benchmarks/method/pair_rate.py

saturation-coverage: $(READY) ## How often the interval of a sustained rate holds the true one, simulated (some five minutes)
	$(BIN)/python benchmarks/method/saturation_coverage.py

four-workers: $(READY) ## Show one run of four workers of this machine, and put its output into docs/distributed.md
	PYTHONPATH=. $(BIN)/python benchmarks/scale/shown_runs.py four-workers --docs

event-loops: $(READY) ## Measure how long a scrape stalls an event loop, and write docs/event-loops.md (an hour)
	PYTHONPATH=. $(BIN)/python benchmarks/cost/event_loops.py

described-service: $(READY) ## Measure what recording costs two described services, and write docs/described-service.md (15 minutes)
	PYTHONPATH=. $(BIN)/python benchmarks/cost/described_service.py

forked-workers: $(READY) ## Measure multiprocess mode by the line and by the page, and write docs/forked-workers.md (half an hour)
	PYTHONPATH=. $(BIN)/python benchmarks/cost/forked_workers.py

push: $(READY) ## Measure what a push costs, what is lost and how old values get, and write docs/push.md (forty minutes)
	PYTHONPATH=. $(BIN)/python benchmarks/cost/push.py

three-hosts: $(READY) ## Show one run through Dask on three hosts, and put its output into docs/distributed.md (as root)
	PYTHONPATH=. $(BIN)/python benchmarks/scale/shown_runs.py three-hosts --docs

signal-times: $(READY) ## How long every command takes to end after a signal, at ten moments each (half an hour)
	PYTHONPATH=. $(BIN)/python benchmarks/endurance/signal_times.py

faults: $(READY) ## Perform some fifty faults, kills at 100 instants each among them, and write docs/reliability.md (as root; two hours)
	$(BIN)/python -m benchmarks.faults --docs

suites: $(READY) ## The same benchmarks with pytest-benchmark's own tables
	$(BIN)/python -m pytest benchmarks --quiet --benchmark-columns=median,iqr,rounds --benchmark-sort=name --benchmark-group-by=group

test: $(READY) ## Run the tests (three minutes)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

test-system: $(READY) ## Run the tests of whole commands, with servers and browsers (eight minutes)
	$(BIN)/python -m pytest -m 'system and not slow' --numprocesses auto --dist loadfile

test-slow: $(READY) ## Run the tests that take longer (three quarters of an hour)
	$(BIN)/python -m pytest -m slow --numprocesses auto --dist loadfile

test-hosts: $(READY) ## Run the tests with several hosts, which are network namespaces (as root, two minutes)
	$(BIN)/python -m pytest -m namespaces

test-all: test test-system test-slow ## Run all of them

lint: $(READY) ## Check style, types and layers; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(READY) ## Apply automatic fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

demo: $(READY) ## Day-shaped traffic with a dashboard and alerts on a real Prometheus, until Ctrl-C
	$(BIN)/harness demo

demo-pictures: $(READY) ## The pictures of the console in the docs, from real demos and Chromium (three minutes)
	$(BIN)/python benchmarks/pictures/demo_pictures.py

dashboards: $(READY) ## Write the Grafana dashboard and the console's panels from harness/dashboards/panels.py
	$(BIN)/python benchmarks/pictures/dashboards.py

prometheus: ## Run the real Prometheus on promconfig.yaml, until Ctrl-C
	@server="$${PROMETHEUS_BIN:-prometheus}"; \
	command -v "$$server" >/dev/null || { echo "Prometheus is not installed: apt-get install prometheus, or set PROMETHEUS_BIN"; exit 1; }; \
	data=$$(mktemp -d); trap 'rm -rf "$$data"' EXIT; trap 'exit 130' INT TERM; \
	"$$server" --config.file=promconfig.yaml --storage.tsdb.path="$$data" --web.listen-address=127.0.0.1:9090

compare-tools: $(READY) ## The same experiments through four other tools and this project (about an hour)
	$(BIN)/python benchmarks/cost/compare_tools.py --docs

clean: ## Remove everything built, keep measurements
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
