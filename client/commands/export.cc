#include "client/export.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/checkpoint.h"
#include "client/commands/commands.h"
#include "client/local_model.h"
#include "client/outcome.h"
#include "core/file.h"
#include "core/json.h"
#include "core/parallel.h"
#include "core/status.h"
#include "quant/artifact/dense.h"

namespace sub1quant {
namespace {

struct ExportOptions {
  std::string artifact, to, model, out;
  bool force = false;
};

absl::Status CheckTarget(const std::string& to) {
  if (to == "pt" || to == "dense") return absl::OkStatus();
  if (to == "compressed-tensors" || to == "gguf")
    return WithHint(absl::UnimplementedError(absl::StrCat("--to ", to, ": not supported in this version")),
                    "pt and dense are");
  return absl::InvalidArgumentError(absl::StrCat("--to ", to, ": pt, dense, compressed-tensors or gguf is expected"));
}

absl::StatusOr<std::unique_ptr<ModelSource>> OpenModel(const std::string& model) {
  if (model.empty()) return std::unique_ptr<ModelSource>();
  SUB1QUANT_RETURN_IF_ERROR(CheckModelAddress(model));
  if (!IsDirectory(model)) return absl::NotFoundError(absl::StrCat("--model ", model, ": no such directory"));
  return OpenModelDirectory(model);
}

absl::Status ToPt(Context& context, const ExportOptions& options, const Artifact& artifact, ModelSource* model) {
  if (PathExists(options.out) && !options.force)
    return WithHint(absl::InvalidArgumentError(absl::StrCat("--out ", options.out, ": exists already")),
                    "name another file, or --force to replace it");
  const auto& tensors = artifact.manifest.tensors;
  const bool has_base = std::any_of(tensors.begin(), tensors.end(),
                                    [](const ManifestTensor& tensor) { return tensor.method == "int2_base"; });
  if (has_base && model == nullptr && !context.quiet)
    context.error << "note: without --model the int2_base entries lack the residual arrays that decoding ignores\n";
  return ExportPt(artifact, model, AvailableThreads(), options.out);
}

absl::Status Export(Context& context, const ExportOptions& options) {
  SUB1QUANT_RETURN_IF_ERROR(CheckTarget(options.to));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string directory, FindArtifact(options.artifact));
  SUB1QUANT_ASSIGN_OR_RETURN(const Artifact artifact, OpenArtifact(directory));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<ModelSource> model, OpenModel(options.model));
  if (options.to == "dense") {
    if (model == nullptr) return absl::InvalidArgumentError("--model: required for --to dense, the model directory");
    SUB1QUANT_RETURN_IF_ERROR(ExportDense(artifact.manifest, *artifact.blobs, *model, options.out));
  } else {
    SUB1QUANT_RETURN_IF_ERROR(ToPt(context, options, artifact, model.get()));
  }
  if (context.json) {
    context.out << DumpJson(Json{{"to", options.to}, {"out", options.out}});
  } else if (!context.quiet) {
    context.error << options.out << ": written\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddExport(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("export", "an artifact in another layout");
  const auto options = std::make_shared<ExportOptions>();
  command->add_option("ARTIFACT", options->artifact, "artifact or output directory of run")->type_name("")->required();
  command->add_option("--to", options->to, "pt (published layout) or dense (Hugging Face model directory)")
      ->type_name("LAYOUT")
      ->required();
  command->add_option("--model", options->model, "the model it was made of; required for dense")->type_name("DIR");
  command->add_option("--out", options->out, "file (pt) or directory (dense)")->type_name("PATH")->required();
  command->add_flag("--force", options->force, "replace the file");
  AddCommonOptions(*command, context);
  command->callback(
      [&context, options] { context.action = [&context, options] { return Export(context, *options); }; });
}

}  // namespace sub1quant
