#!/bin/sh
# The lab's way into a virtual machine, on a port that only its own machines
# have: a line is a number and a shell script in base64. The answer is the
# number, the exit code, and what was said on either output, in base64.
exec 3<>/dev/virtio-ports/lab
folder=$(mktemp -d)
while read -r number script <&3; do
    echo "$script" | base64 -d >"$folder/script"
    sh "$folder/script" >"$folder/out" 2>"$folder/err" </dev/null
    echo "$number $? $(base64 -w0 <"$folder/out")- $(base64 -w0 <"$folder/err")-" >&3
done
