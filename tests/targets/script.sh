#!/bin/sh
# script.sh [ARG...]: a PROGRAM that begins with #!. Output: "script: ARG..."; exit 5.
echo "script: $*"
exit 5
