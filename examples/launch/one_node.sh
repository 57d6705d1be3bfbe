#!/usr/bin/env bash
# Train on every GPU of one machine; started again with the same arguments, it goes on.
#
#     examples/launch/one_node.sh RUN --preset base
#
# PROCESSES: how many processes, where not one for each GPU.
set -euo pipefail
run=$1
shift
processes=${PROCESSES:-$(nvidia-smi --list-gpus | wc -l)}
if [ -e "$run/train.json" ]; then
    set -- --resume
fi
exec torchrun --standalone --nproc_per_node "$processes" -m topklm train --out "$run" "$@"
