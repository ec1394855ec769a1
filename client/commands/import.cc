#include <memory>

#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/local_model.h"
#include "core/file.h"
#include "core/json.h"
#include "core/status.h"
#include "quant/artifact/pt.h"

namespace sub1quant {
namespace {

struct ImportOptions {
  std::string file, model, out;
};

absl::Status Import(Context& context, const ImportOptions& options) {
  if (!PathExists(options.file)) return absl::NotFoundError(absl::StrCat(options.file, ": no such file"));
  std::unique_ptr<ModelSource> model;
  if (!options.model.empty()) {
    SUB1QUANT_RETURN_IF_ERROR(CheckModelAddress(options.model));
    if (!IsDirectory(options.model))
      return absl::NotFoundError(absl::StrCat("--model ", options.model, ": no such directory"));
    SUB1QUANT_ASSIGN_OR_RETURN(model, OpenModelDirectory(options.model));
  }
  SUB1QUANT_RETURN_IF_ERROR(ImportPt(options.file, model.get(), options.out));
  if (context.json) {
    context.out << DumpJson(Json{{"artifact", options.out}, {"from", options.file}});
  } else if (!context.quiet) {
    context.error << options.out << ": artifact written\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddImport(CLI::App& app, Context& context) {
  CLI::App* command =
      app.add_subcommand("import", "a .pt of the published layout becomes an artifact; nothing in it is executed");
  const auto options = std::make_shared<ImportOptions>();
  command->add_option("FILE", options->file, "the .pt file")->type_name("")->required();
  command->add_option("--model", options->model, "model directory: keys and shapes are checked, digests recorded")
      ->type_name("DIR");
  command->add_option("--out", options->out, "artifact directory, absent or empty")->type_name("DIR")->required();
  AddCommonOptions(*command, context);
  command->callback(
      [&context, options] { context.action = [&context, options] { return Import(context, *options); }; });
}

}  // namespace sub1quant
