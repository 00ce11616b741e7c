#!/usr/bin/env bash
# Everything that has to pass: set everything up, then lint, self-tests, collection and the sandbox end to end.
# What stands behind it names steps: scripts/test.sh lint judge
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
make_environment ".[dev]"
step "The servers: Kubernetes, Argo Rollouts, Prometheus, a registry (built once, usually 8 to 10 minutes; then nothing)"
.venv/bin/golive-sandbox build
exec .venv/bin/python scripts/check.py "$@"
