#include <memory>

#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/commands/local_options.h"
#include "client/job_options.h"
#include "client/local_job.h"
#include "client/reports.h"
#include "core/status.h"

namespace sub1quant {
namespace {

struct RunOptions {
  JobOptions job;
  LocalOptions local;
  std::string model, corpus, out;
  bool force = false;
};

absl::Status Run(Context& context, const RunOptions& options) {
  LocalJob job;
  SUB1QUANT_ASSIGN_OR_RETURN(job.specification, options.job.Specification());
  job.specification.quantize = true;
  job.model = options.model;
  job.corpus = options.corpus;
  job.out = options.out;
  job.default_out = true;
  job.force = options.force;
  SUB1QUANT_RETURN_IF_ERROR(options.local.Fill(context, job));
  SUB1QUANT_ASSIGN_OR_RETURN(const LocalResult result, RunLocalJob(context, std::move(job)));
  if (context.json) {
    context.out << DumpJson(LocalResultToJson(result));
    return absl::OkStatus();
  }
  context.out << RenderReports(result.reports, context.environment.colour) << "\n";
  for (const auto& [path, report] : result.reports) {
    const std::string folder = path.substr(0, path.size() - std::string("report.json").size());
    context.out << "report: " << result.out << "/" << folder << "report.html\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddRun(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("run", "search, pack, score and report on this machine");
  const auto options = std::make_shared<RunOptions>();
  command
      ->add_option("--model", options->model, "model directory: config.json, *.safetensors, tokenizer.json [required]")
      ->type_name("DIR");
  command->add_option("--corpus", options->corpus, "UTF-8 text; required unless --no-eval")->type_name("FILE");
  options->job.AddSearchOptions(*command);
  options->job.AddScoringOptions(*command);
  options->local.Add(*command);
  command->add_option("--out", options->out, "output directory [sub1quant-out/LABEL]")->type_name("DIR");
  command->add_flag("--force", options->force, "overwrite results in a non-empty --out");
  AddCommonOptions(*command, context);
  command->callback([&context, options] { context.action = [&context, options] { return Run(context, *options); }; });
}

}  // namespace sub1quant
