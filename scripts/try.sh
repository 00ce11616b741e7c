#!/usr/bin/env bash
# The main job on a sandbox: set everything up, start a real control plane, run the preflight, end with a verdict.
# What stands behind it goes to pytest: scripts/try.sh -n 4, scripts/try.sh --sandbox=canary-at-25-role-empty
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
make_environment ".[sandbox]"
step "The servers: Kubernetes, Argo Rollouts, Prometheus, a registry (built once, usually 8 to 10 minutes; then nothing)"
.venv/bin/golive-sandbox build
step "The preflight on a sandbox (usually 30 seconds)"
exec .venv/bin/python -m pytest -m preflight --sandbox "$@"
