#!/bin/sh
# Fetches axe-core, which judges the pages' accessibility, into a folder. It is
# under the MPL: fetched, not passed on. Usage: fetch.sh FOLDER
set -eu
version=4.11.0
sum=e9e5863c33a874f09bc01acd9234b7e3c871479f5eef8802fa582544465e6d01
command -v npm >/dev/null || { echo "the tests of the portal need axe-core, and npm (Node.js) to fetch it"; exit 1; }
rm -rf "$1" && mkdir -p "$1"
npm install --silent --fetch-retries=5 --no-save --no-audit --no-fund --ignore-scripts --prefix "$1" "axe-core@$version" >/dev/null
mv "$1/node_modules/axe-core/axe.min.js" "$1/axe.js" && rm -rf "$1/node_modules"
echo "$sum  $1/axe.js" | sha256sum --check --quiet
