#include "quant/report/evaluation_json.h"

#include "quant/report/json_access.h"

namespace sub1quant {
namespace report {
namespace {

Json Perplexity(const std::optional<ProtocolScore>& score) { return score ? FiniteOrNull(score->perplexity) : Json(); }
Json Losses(const std::optional<ProtocolScore>& score) { return score ? FiniteOrNull(score->window_loss) : Json(); }
Json Weights(const std::optional<ProtocolScore>& score) { return score ? Json(score->weights) : Json(); }
Json ScoredTokens(const std::optional<ProtocolScore>& score) { return score ? Json(score->scored_tokens) : Json(); }

Json ScoreToJson(const std::optional<ProtocolScore>& score) {
  if (!score) return Json();
  Json json;
  json["perplexity"] = Perplexity(score);
  json["scored_tokens"] = score->scored_tokens;
  json["window_loss"] = Losses(score);
  json["weights"] = Weights(score);
  return json;
}

}  // namespace

Json ApplyStats(const Evaluation& evaluation) {
  Json json;
  json["replaced"] = evaluation.replaced;
  json["skipped"] = evaluation.skipped;
  json["missing"] = evaluation.missing;
  json["shape_mismatches"] = evaluation.shape_mismatches;
  return json;
}

Json EvaluationToJson(const Evaluation& evaluation) {
  Json json;
  json["dtype"] = evaluation.dtype;
  json["device"] = evaluation.device;
  json["published"] = Perplexity(evaluation.published);
  json["bos_per_window"] = Perplexity(evaluation.bos_per_window);
  json["chunk_loss"] = Losses(evaluation.published);
  json["chunk_weight"] = Weights(evaluation.published);
  json["scored_tokens"] = ScoredTokens(evaluation.published);
  json["bos_window_loss"] = Losses(evaluation.bos_per_window);
  json["bos_window_weight"] = Weights(evaluation.bos_per_window);
  json["bos_scored_tokens"] = ScoredTokens(evaluation.bos_per_window);
  json["seconds"] = FiniteOrNull(evaluation.seconds);
  json["tokens"] = evaluation.tokens;
  json["tokens_per_second"] =
      evaluation.seconds > 0 ? FiniteOrNull(static_cast<double>(evaluation.tokens) / evaluation.seconds) : Json();
  json["apply_stats"] = ApplyStats(evaluation);
  return json;
}

Json DifferenceToJson(const std::optional<ProtocolScore>& a, const std::optional<ProtocolScore>& b) {
  if (!a || !b) return Json();
  const auto paired = ComparePaired(*a, *b);
  if (!paired.ok()) return Json();
  Json json;
  json["mean_loss_difference"] = FiniteOrNull(paired->mean_loss_difference);
  json["standard_error"] = FiniteOrNull(paired->standard_error);
  json["perplexity_difference"] = FiniteOrNull(paired->perplexity_difference);
  json["perplexity_standard_error"] = FiniteOrNull(paired->perplexity_standard_error);
  json["perplexity_ratio"] = FiniteOrNull(paired->perplexity_ratio);
  json["windows"] = paired->windows;
  return json;
}

}  // namespace report

Json MakeEvaluation(const ReportInputs& inputs, const Evaluation& evaluation, const std::string& mode) {
  Json json;
  json["label"] = inputs.specification.label;
  json["mode"] = mode;
  json["ppl"] = report::Perplexity(evaluation.published);
  json["seq_len"] = inputs.specification.window;
  json["chunks"] = evaluation.published ? evaluation.published->window_loss.size() : 0;
  json["apply_stats"] = report::ApplyStats(evaluation);
  json["device"] = evaluation.device;
  json["elapsed_s"] = report::FiniteOrNull(evaluation.seconds);
  json["dtype"] = evaluation.dtype;
  json["stride"] = inputs.specification.stride;
  json["tokens_sha256_int32_le"] = inputs.tokens_sha256;
  json["published"] = report::ScoreToJson(evaluation.published);
  json["bos_per_window"] = report::ScoreToJson(evaluation.bos_per_window);
  return json;
}

}  // namespace sub1quant
