// inspect PATH: what a model directory, a safetensors file, an artifact or a .pt holds.
#include "client/inspect.h"

#include "client/commands/commands.h"
#include "client/commands/local_command.h"
#include "core/status.h"

namespace sub1quant {
namespace {

absl::Status Inspect(Context& context, const std::string& path) {
  SUB1QUANT_ASSIGN_OR_RETURN(const Json facts, InspectPath(path));
  context.out << (context.json ? DumpJson(facts) : RenderInspection(facts));
  return absl::OkStatus();
}

}  // namespace

void AddInspect(CLI::App& app, Context& context) {
  AddPathCommand(app, context, "inspect", "config, tensors, which are quantizable and why the others are not", "PATH",
                 "model directory, safetensors file, artifact, output directory or .pt file", Inspect);
}

}  // namespace sub1quant
