#!/bin/sh
# Runs one test file, whatever it is written in, with TAP on stdout.
case $1 in
*.lua) exec "$MOONFLASH" "$1" --output tap ;;
*) exec "$1" ;;
esac
