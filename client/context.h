// What every command gets: streams, clock, environment, common options. Filled in main; nothing below reads the
// environment itself.
#pragma once

#include <functional>
#include <ostream>
#include <string>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "core/clock.h"

namespace sub1quant {

struct Environment {
  std::string home, xdg_state_home, xdg_runtime_dir, path, cuda_visible_devices;
  std::string executable;  // of this process
  bool out_is_terminal = false, error_is_terminal = false;
  int columns = 80;
  bool colour = false;  // stdout is a terminal and nobody asked for no colour
};

// Streams and clock are not owned.
struct Context {
  Environment environment;
  std::ostream& out;
  std::ostream& error;
  const Clock& clock;

  bool json = false, quiet = false;
  std::string server = "127.0.0.1:7070";
  // Set by the command that was parsed.
  std::function<absl::Status()> action = {};
};

// --json (for commands that print facts) and --quiet.
void AddCommonOptions(CLI::App& command, Context& context, bool json = true);
// --server, or SUB1QUANT_SERVER.
CLI::Option* AddServerOption(CLI::App& command, Context& context);

// Parses and runs one command line; returns the exit code. Errors go to context.error.
int RunClient(int argc, const char* const* argv, Context& context);

}  // namespace sub1quant
