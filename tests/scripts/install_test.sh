#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What is installed is enough for a program outside the tree: installs this build into a
# temporary prefix, moves it, and builds and runs one program with find_package(cairn) and with
# pkg-config --static. The program includes every installed header and archives a file. The
# README's example, api/examples/save_tensors, is built and run as well: with the package, and
# with a shared library, which shows what the headers declare and no more. Only cairn/asio.h
# needs Boost, and it is tried where there is one.
set -euo pipefail
: "${CAIRN_BINARY_DIR:?the build}"
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

if grep -qE '^CAIRN_SANITIZE:[A-Z]+=.' "$CAIRN_BINARY_DIR/CMakeCache.txt"; then
  echo "built with sanitizers: a program outside the tree would need them, too; left out"
  exit 0
fi
mkdir -p "$CAIRN_BINARY_DIR/scratch"
scratch=$(mktemp -d "$CAIRN_BINARY_DIR/scratch/install-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

DESTDIR='' cmake --install "$CAIRN_BINARY_DIR" --prefix "$scratch/first" >install.log || { cat install.log && exit 1; }
mv first prefix # whatever names the first place is wrong

with_boost=false
if "${CXX:-c++}" -std=c++20 -fsyntax-only -x c++ - <<<'#include <boost/asio/deferred.hpp>' 2>/dev/null; then
  with_boost=true
fi

mkdir program
{
  (cd prefix/include && find cairn -name '*.h' ! -name asio.h | sort) | sed 's/.*/#include <&>/'
  cat <<'CC'
#include <fstream>
#include <iostream>

int main(int, char** argv) {
  const std::string folder = argv[1];
  std::ofstream(folder + "/input") << "some content";
  if (auto created = cairn::Store::create(folder + "/store"); !created.ok()) {
    std::cerr << created.error().message << '\n';
    return 1;
  }
  auto store = cairn::Store::open(folder + "/store");
  if (!store.ok()) return 2;
  auto added = store->archive().add({folder + "/input"}, {.name = "it"});
  if (!added.ok() || added->version != 1) return 3;
  auto restored = store->archive().restore("it", {.to = folder + "/restored"});
  if (!restored.ok() || restored->files != 1) return 4;
  std::cout << cairn::dtype_name(cairn::DType::bf16) << ' ' << CAIRN_VERSION << '\n';
  return store->close().ok() ? 0 : 5;
}
CC
} >program/main.cc
version=$(sed -nE 's/^CMAKE_PROJECT_VERSION:STATIC=(.*)/\1/p' "$CAIRN_BINARY_DIR/CMakeCache.txt")

# try PROGRAM: runs it in a new folder; what it restored is what it archived.
try() {
  local folder
  folder=$(mktemp -d "$scratch/run-XXXXXX")
  [[ $("$1" "$folder") == "bf16 $version" ]]
  cmp "$folder/input" "$folder/restored/input"
}

# The way to tell of a build with CMake.
cat >program/CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES CXX)
find_package(cairn 0.1 REQUIRED)
add_executable(outside main.cc)
target_link_libraries(outside PRIVATE cairn::cairn)
CMAKE
cmake -S program -B built -DCMAKE_PREFIX_PATH="$scratch/prefix" >configure.log 2>&1 || { cat configure.log && exit 1; }
cmake --build built >build.log 2>&1 || { cat build.log && exit 1; }
try built/outside
echo "find_package(cairn): built and run"

example=$source_dir/api/examples/save_tensors
# What the README calls the whole program is the whole program.
sed -n '/^A training process/,$p' "$source_dir/README.md" | sed -n '/^```cpp$/,/^```$/{//!p;}' |
  sed -n "1,$(($(wc -l <"$example/save_tensors.cc") - 2))p" >quoted.cc
tail -n +3 "$example/save_tensors.cc" | diff quoted.cc - || { echo "the README quotes another program" && exit 1; }
cmake -S "$example" -B example -DCMAKE_PREFIX_PATH="$scratch/prefix" >example.log 2>&1 &&
  cmake --build example >>example.log 2>&1 || { cat example.log && exit 1; }
saved_tensors() { # what the example prints, but for the ids
  "$@" | cut -d ' ' -f 1-3 | sort
}
[[ $(saved_tensors example/save_tensors "$scratch/tensors") == $'bias 2048 bytes\nweight 524288 bytes' ]]
[[ $("$scratch/prefix/bin/cairn" --store "$scratch/tensors" ls --objects) == *weight* ]] || exit 1
echo "save_tensors: built and run"

sed -i 's/cairn 0\.1/cairn 99.0/' program/CMakeLists.txt
if cmake -S program -B newer -DCMAKE_PREFIX_PATH="$scratch/prefix" >newer.log 2>&1; then
  echo "a version that is not there was found" && exit 1
fi

# And without.
pc=$(dirname "$(find prefix -name cairn.pc)")
export PKG_CONFIG_PATH=$scratch/$pc
[[ $(pkg-config --modversion cairn) == "$version" ]]
read -ra flags <<<"$(pkg-config --cflags cairn)"
read -ra libraries <<<"$(pkg-config --static --libs cairn)"
"${CXX:-c++}" -std=c++20 "${flags[@]}" program/main.cc -o by-pkg-config "${libraries[@]}"
LD_LIBRARY_PATH=$scratch/${pc%/pkgconfig} try ./by-pkg-config
echo "pkg-config --static: built and run"

# A shared library of the same objects: all that the example and the program need is visible.
mkdir shared
"${CXX:-c++}" -shared -o shared/libcairn.so -Wl,--whole-archive "${pc%/pkgconfig}/libcairn.a" \
  -Wl,--no-whole-archive "${libraries[@]}"
for source in program/main.cc "$example/save_tensors.cc"; do
  "${CXX:-c++}" -std=c++20 "${flags[@]}" "$source" -o "shared/$(basename "$source" .cc)" -Lshared -lcairn \
    -Wl,-rpath,"$scratch/shared" -Wl,--allow-shlib-undefined
done
try shared/main
[[ $(saved_tensors shared/save_tensors "$scratch/more-tensors") == $'bias 2048 bytes\nweight 524288 bytes' ]]
if nm -DC shared/libcairn.so | grep -E ' [TW] cairn::(LogWriter|PutQueue|BlockSink)::'; then
  echo "a shared library would show the above, which no header declares" && exit 1
fi
echo "as a shared library: built and run"

# For C: the program that docs/c.md quotes, with both.
sed -n '/^```c$/,/^```$/{//!p;}' "$source_dir/docs/c.md" >program/slice.c
read -ra flags_of_c <<<"$(pkg-config --cflags --libs cairn_c)"
"${CC:-cc}" -std=c99 -Wall -Werror program/slice.c -o slice "${flags_of_c[@]}"
[[ $(LD_LIBRARY_PATH=$scratch/${pc%/pkgconfig} ./slice "$scratch/of-c") == "1 4" ]]
mkdir in_c
cat >in_c/CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(in_c LANGUAGES C CXX)
find_package(cairn 0.1 REQUIRED)
add_executable(slice ../program/slice.c)
target_link_libraries(slice PRIVATE cairn::c)
CMAKE
cmake -S in_c -B in_c/built -DCMAKE_PREFIX_PATH="$scratch/prefix" >in_c.log 2>&1 && cmake --build in_c/built >>in_c.log 2>&1 ||
  { cat in_c.log && exit 1; }
[[ $(in_c/built/slice "$scratch/of-c") == "1 4" ]]
echo "for C: built and run"

if $with_boost; then
  "${CXX:-c++}" -std=c++20 "${flags[@]}" "$source_dir/api/examples/save_with_asio.cc" -o save_with_asio "${libraries[@]}"
  [[ $(./save_with_asio "$scratch/steps" | cut -d ' ' -f 1-2 | sort) == $'step 1\nstep 2\nstep 3' ]]
  echo "cairn/asio.h: built and run"
fi
if grep -rIil boost prefix | grep -v '/cairn/asio\.h$'; then
  echo "the installed files above need Boost" && exit 1
fi

# Nothing in the installed text leads back to the tree, the build or the first place.
if grep -rIlE "$CAIRN_BINARY_DIR|${CAIRN_SOURCE_DIR:-$CAIRN_BINARY_DIR}|$scratch/first" prefix; then
  echo "the files above name folders that are not part of what is installed" && exit 1
fi
# Headers need no others than the standard library's, but for the one that is for Asio.
if grep -rhoE --exclude=asio.h '^ *#include *[<"][^>"]*[>"]' prefix/include | grep -vE '[<"]cairn/[a-z_]+\.h[>"]|<[a-z_]+>|<std(def|int)\.h>'; then
  echo "an installed header includes the above" && exit 1
fi
prefix/bin/cairn --version
