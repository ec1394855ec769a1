#include "client/context.h"

#include "CLI/CLI.hpp"
#include "client/commands/commands.h"
#include "client/outcome.h"
#include "core/version.h"
#include "quant/codec/implementations.h"

namespace sub1quant {
namespace {

constexpr char kExitCodes[] =
    "Exit codes: 0 done, 1 the job failed, 2 wrong usage or invalid specification, 3 server unreachable,\n"
    "            4 no such job or file, 5 cancelled, 6 refused";

int ReportUsage(const CLI::App& app, const CLI::ParseError& parse_error, Context& context) {
  if (parse_error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success))
    return app.exit(parse_error, context.out, context.error);  // --help, --version
  std::string command = "sub1quant";
  for (const CLI::App* used : app.get_subcommands()) command += " " + used->get_name();
  // CLI11 says only that a command is missing.
  const std::vector<std::string> unknown = app.get_subcommands().empty() ? app.remaining() : std::vector<std::string>();
  const std::string what = unknown.empty() ? parse_error.what() : "unknown command '" + unknown.front() + "'";
  context.error << ErrorText(WithHint(absl::InvalidArgumentError(what), command + " --help"));
  return static_cast<int>(ExitCode::kUsage);
}

}  // namespace

void AddCommonOptions(CLI::App& command, Context& context, bool json) {
  if (json) command.add_flag("--json", context.json, "one JSON document on stdout instead of text");
  command.add_flag("--quiet", context.quiet, "no progress and no notes on stderr");
}

CLI::Option* AddServerOption(CLI::App& command, Context& context) {
  return command.add_option("--server", context.server, "host:port or unix:PATH")
      ->type_name("ADDRESS")
      ->envname("SUB1QUANT_SERVER")
      ->capture_default_str();
}

int RunClient(int argc, const char* const* argv, Context& context) {
  CLI::App app(
      "Finds for each weight matrix of a model the cheapest format that meets an average of bits per weight,\n"
      "packs the checkpoint and measures what that did to perplexity.",
      "sub1quant");
  app.set_version_flag("--version", VersionLine("sub1quant", BestImplementation().name),
                       "version, commit, features, instruction set");
  app.require_subcommand(1);
  app.footer(kExitCodes);
  AddAllCommands(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& parse_error) {
    return ReportUsage(app, parse_error, context);
  }
  const absl::Status status = context.action();
  context.out.flush();
  if (!status.ok()) context.error << ErrorText(status) << std::flush;
  return static_cast<int>(ExitCodeOf(status));
}

}  // namespace sub1quant
