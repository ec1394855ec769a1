#include "quant/artifact/verify.h"

#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/commands/local_command.h"
#include "client/outcome.h"
#include "client/render.h"
#include "core/json.h"
#include "core/parallel.h"
#include "core/status.h"

namespace sub1quant {
namespace {

absl::Status Verify(Context& context, const std::string& path) {
  SUB1QUANT_ASSIGN_OR_RETURN(const VerifyReport report, VerifyPath(path, AvailableThreads()));
  if (context.json) {
    Json json{{"path", path},
              {"kind", report.kind},
              {"tensors", report.tensors},
              {"bytes", report.bytes},
              {"ok", report.problems.empty()}};
    json["problems"] = report.problems;
    context.out << DumpJson(json);
  } else {
    for (const std::string& problem : report.problems) context.out << "problem: " << Printable(problem) << "\n";
    if (report.problems.empty())
      context.out << path << ": " << report.kind << ", " << report.tensors << " matrices, " << FormatBytes(report.bytes)
                  << ": all good\n";
  }
  if (report.problems.empty()) return absl::OkStatus();
  const std::string rest = report.problems.size() > 1 ? absl::StrCat(" and ", report.problems.size() - 1, " more") : "";
  return WithExit(absl::DataLossError(absl::StrCat(path, ": ", report.problems.front(), rest)), ExitCode::kFailed);
}

}  // namespace

void AddVerify(CLI::App& app, Context& context) {
  AddPathCommand(app, context, "verify", "check every digest and size, and that every matrix decodes", "PATH",
                 "artifact, output directory or .pt file", Verify);
}

}  // namespace sub1quant
