# Sourced by the scripts beside it: a Python that is new enough, and a virtual environment with everything in .venv.
# Nothing is installed outside of .venv; it is made anew when pyproject.toml or the Python changes.

step() { printf '\n== %s\n' "$*"; }

find_python() {
    for candidate in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "expected Python 3.11 or newer as python3 (or named in \$PYTHON), found: $(python3 --version 2>&1 || true)" >&2
    exit 1
}

make_environment() {
    python=$(find_python)
    wanted="$("$python" --version) $(cksum <pyproject.toml) $PWD"
    made=$(cat .venv/.made-for 2>/dev/null || true)
    # What has the tools of development has everything else too.
    if [ "$made" = "$wanted $1" ] || [ "$made" = "$wanted .[dev]" ]; then
        return
    fi
    step "Python packages into .venv (once; usually half a minute)"
    rm -rf .venv
    if ! "$python" -m venv .venv; then
        # Debian's Python comes without ensurepip; virtualenv brings its own.
        rm -rf .venv
        "$python" -m pip install --quiet --user virtualenv
        "$python" -m virtualenv --quiet .venv
    fi
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable "$1"
    echo "$wanted $1" >.venv/.made-for
}
