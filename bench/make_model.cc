// make-model: writes a model directory of google/gemma-4-E2B's shapes with random weights (9.3 GB; --layers for less).
#include <cstdio>

#include "CLI/CLI.hpp"
#include "bench/synthetic_model.h"
#include "core/parallel.h"

int main(int argc, char** argv) {
  sub1quant::SyntheticModelOptions options;
  options.threads = sub1quant::AvailableThreads();
  CLI::App app("Writes a model directory of google/gemma-4-E2B's shapes with random weights.");
  app.add_option("--out", options.out, "directory to write")->required();
  app.add_option("--tokenizer", options.tokenizer_directory,
                 "directory whose tokenizer.json and tokenizer_config.json are copied")
      ->required();
  app.add_option("--layers", options.layers, "decoder layers")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--vocabulary", options.vocabulary, "entries of both embedding tables")
      ->check(CLI::Range(1, 1 << 24))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "of the weights")->capture_default_str();
  app.add_option("--threads", options.threads)->check(CLI::Range(1, 1024))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (const absl::Status status = sub1quant::WriteSyntheticModel(options); !status.ok()) {
    std::fprintf(stderr, "make-model: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}
