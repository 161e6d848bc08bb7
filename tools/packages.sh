# SPDX-License-Identifier: Apache-2.0
# Sourced by the tools beside it: what embd needs from Debian 12 or Ubuntu 24.04, and installing what is
# missing. need_packages LIST… installs nothing when all are there.

BUILD_PACKAGES="autoconf automake libtool pkg-config gcc make python3 libevent-dev libnghttp2-dev
    libprotobuf-c-dev protobuf-c-compiler protobuf-compiler libsqlite3-dev libjemalloc-dev
    libjansson-dev libxxhash-dev libconfuse-dev libopenblas-dev liblapacke-dev libcmocka-dev"
DEMO_PACKAGES="sqlite3 python3-numpy"
CHECK_PACKAGES="clang llvm sqlite3 python3-numpy python3-grpcio python3-protobuf nghttp2-client xz-utils man-db"

need_packages()
{
    missing=""
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" ||
            missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    echo "installing:$missing"
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || {
            echo "these packages are missing and there is no sudo to install them:$missing" >&2
            return 1
        }
        as_root="sudo"
    fi
    # shellcheck disable=SC2086 # lists of words
    $as_root env DEBIAN_FRONTEND=noninteractive sh -c \
        "apt-get update -qq -o DPkg::Lock::Timeout=300 &&
         apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 $missing" \
        >/dev/null 2>"${TMPDIR:-/tmp}/embd-apt.$$" || {
        cat "${TMPDIR:-/tmp}/embd-apt.$$" >&2
        rm -f "${TMPDIR:-/tmp}/embd-apt.$$"
        return 1
    }
    rm -f "${TMPDIR:-/tmp}/embd-apt.$$"
}

# build_in FOLDER CONFIGURE-ARGUMENT…: configure once (again when the arguments or configure changed), make.
build_in()
{
    folder=$1
    shift
    [ -x configure ] && [ configure -nt configure.ac ] && [ Makefile.in -nt Makefile.am ] ||
        autoreconf -fi >/dev/null 2>autoreconf.log || {
        cat autoreconf.log >&2
        return 1
    }
    rm -f autoreconf.log
    mkdir -p "$folder"
    if [ ! -f "$folder/Makefile" ] || [ "$folder/Makefile" -ot configure ] ||
        [ "$(cat "$folder/arguments" 2>/dev/null)" != "$*" ]; then
        (cd "$folder" && "$OLDPWD/configure" -q "$@" >configure.log 2>&1) || {
            tail -n 40 "$folder/configure.log" >&2
            return 1
        }
        echo "$*" >"$folder/arguments"
    fi
    make -s -C "$folder" -j"$(nproc)" all >"$folder/make.log" 2>&1 || {
        tail -n 60 "$folder/make.log" >&2
        return 1
    }
}
