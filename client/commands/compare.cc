#include <memory>

#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "core/file.h"
#include "core/status.h"
#include "quant/report/report.h"

namespace sub1quant {
namespace {

constexpr uint64_t kMaxReportBytes = uint64_t{1} << 30;

struct CompareOptions {
  std::string a, b;
};

// A report.json, or the directory that holds it.
absl::StatusOr<Json> ReadReport(const std::string& path) {
  if (!PathExists(path)) return absl::NotFoundError(absl::StrCat(path, ": no such file or directory"));
  const std::string file = IsDirectory(path) ? path + "/report.json" : path;
  if (!PathExists(file))
    return absl::NotFoundError(
        absl::StrCat(path, ": no report.json here (with several targets, name one target-… folder)"));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kMaxReportBytes));
  absl::StatusOr<Json> report = ParseJson(text);
  if (!report.ok()) return Annotate(report.status(), file);
  return report;
}

absl::Status Compare(Context& context, const CompareOptions& options) {
  SUB1QUANT_ASSIGN_OR_RETURN(const Json a, ReadReport(options.a));
  SUB1QUANT_ASSIGN_OR_RETURN(const Json b, ReadReport(options.b));
  SUB1QUANT_ASSIGN_OR_RETURN(const Json comparison, CompareReports(a, b));
  context.out << (context.json ? DumpJson(comparison) : RenderComparison(comparison, context.environment.colour));
  return absl::OkStatus();
}

}  // namespace

void AddCompare(CLI::App& app, Context& context) {
  CLI::App* command =
      app.add_subcommand("compare", "two reports: sizes, perplexities, paired difference with its error");
  const auto options = std::make_shared<CompareOptions>();
  command->add_option("A", options->a, "report.json or output directory")->type_name("")->required();
  command->add_option("B", options->b, "report.json or output directory")->type_name("")->required();
  AddCommonOptions(*command, context);
  command->callback(
      [&context, options] { context.action = [&context, options] { return Compare(context, *options); }; });
}

}  // namespace sub1quant
