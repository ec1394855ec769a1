#!/usr/bin/env python3
"""Adds rows to the table of RESULTS.md: the JSON lines of benchmarks on stdin, with machine, commit and model."""
import argparse
import json
import os
import sys

# Of random weights, no model.
IN_MEMORY = ("B1", "B1-int4", "B1-avx2", "B2", "B20", "B21", "B20-pytorch", "B21-pytorch", "B5", "B6", "B7", "B9")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--machine", required=True)
    parser.add_argument("--model", help="model directory that the others ran on")
    parser.add_argument("results")
    args = parser.parse_args()
    model = ""
    if args.model:
        with open(os.path.join(args.model, "config.json")) as file:
            config = json.load(file)
        config = config.get("text_config", config)
        model = f", {config['num_hidden_layers']} layers, {config['vocab_size']:,} entries"
    with open(args.results) as file:
        lines = file.read().split("\n")
    end = lines.index("", next(i for i, line in enumerate(lines) if line.startswith("|")))  # of the first table
    for row in map(json.loads, sys.stdin):
        cells = [row["name"]] + ["%.4f" % row[key] for key in ("ratio", "goal", "ours", "other")]
        cells += [row["unit"] + ("" if row["name"] in IN_MEMORY else model), args.machine, args.commit]
        lines.insert(end, "| " + " | ".join(cells) + " |")
        end += 1
    with open(args.results, "w") as file:
        file.write("\n".join(lines))


if __name__ == "__main__":
    main()
