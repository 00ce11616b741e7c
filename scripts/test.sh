#!/usr/bin/env bash
# Everything that has to pass: set everything up, then lint, self-tests, collection and the sandbox end to end.
# What stands behind it names steps: scripts/test.sh lint judge
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
make_environment ".[dev]"
step "The servers: etcd, Kubernetes, Argo Rollouts (built once, usually 5 to 7 minutes; then nothing)"
.venv/bin/golive-sandbox build
exec .venv/bin/python scripts/check.py "$@"
