// Two reports side by side. Losses are paired window by window, so the noise of the corpus cancels.
#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/report/evaluation_json.h"
#include "quant/report/json_access.h"
#include "quant/report/report.h"

namespace sub1quant {
namespace {

using report::At;
using report::NumberAt;
using report::TextAt;

// The fields of E that hold one protocol.
struct ProtocolFields {
  const char* name;
  const char* losses;
  const char* weights;
  const char* scored;
};
constexpr ProtocolFields kProtocols[] = {
    {"published", "chunk_loss", "chunk_weight", "scored_tokens"},
    {"bos_per_window", "bos_window_loss", "bos_window_weight", "bos_scored_tokens"}};

// Which of a report's scores stands for it: the quantized model's, else the unquantized one's.
const char* ScoredSide(const Json& json) {
  return At(json, {"perplexity", "quantized"}).is_object() ? "quantized" : "base";
}
const Json& Scores(const Json& json) { return At(json, {"perplexity", ScoredSide(json)}); }

absl::Status CheckReport(const Json& json, const std::string& which) {
  if (At(json, {"perplexity"}).is_object() && At(json, {"model"}).is_object()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("compare: the ", which, " file is not a report.json (no 'model' or 'perplexity')"));
}

absl::Status CheckSameCorpus(const Json& a, const Json& b) {
  const std::string left = TextAt(a, {"tokens", "sha256_int32_le"});
  const std::string right = TextAt(b, {"tokens", "sha256_int32_le"});
  if (left.empty() || right.empty() || left == right) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("compare: the reports score different tokens (", left.substr(0, 12),
                                                 "… and ", right.substr(0, 12),
                                                 "…): use the same corpus and tokenizer"));
}

std::optional<ProtocolScore> ScoreOf(const Json& scores, const ProtocolFields& fields) {
  const auto perplexity = NumberAt(scores, {fields.name});
  const std::vector<double> losses = report::NumbersAt(scores, {fields.losses});
  if (!perplexity || losses.empty()) return std::nullopt;
  ProtocolScore score;
  score.perplexity = *perplexity;
  score.window_loss = losses;
  for (const Json& weight : report::ListAt(scores, {fields.weights})) {
    const auto value = report::IntegerAt(weight, {});
    if (!value || *value < 1) return std::nullopt;
    score.weights.push_back(*value);
  }
  if (score.weights.size() != losses.size()) return std::nullopt;
  score.scored_tokens = report::IntegerAt(scores, {fields.scored}).value_or(0);
  return score;
}

absl::StatusOr<Json> Difference(const Json& a, const Json& b, const ProtocolFields& fields) {
  const auto left = ScoreOf(Scores(a), fields);
  const auto right = ScoreOf(Scores(b), fields);
  if (!left || !right) return Json();
  if (left->weights != right->weights)
    return absl::InvalidArgumentError(absl::StrCat("compare: the reports cut the corpus into different windows (",
                                                   left->weights.size(), " and ", right->weights.size(), ", ",
                                                   fields.name, "): use the same --window, --stride and --max-chunks"));
  return report::DifferenceToJson(left, right);
}

Json Side(const Json& json) {
  Json side;
  side["label"] = TextAt(json, {"label"});
  side["model"] = TextAt(json, {"model", "name"});
  side["scored"] = Scores(json).is_object() ? Json(ScoredSide(json)) : Json();
  for (const char* field : {"average_bpw", "weighted_mse"})
    side[field] = report::FiniteOrNull(NumberAt(json, {"allocation", field}));
  for (const char* field : {"stored_bytes", "checkpoint_bytes", "model_bytes"}) {
    const auto bytes = report::IntegerAt(json, {"allocation", field});
    side[field] = bytes ? Json(*bytes) : Json();
  }
  for (const ProtocolFields& fields : kProtocols)
    side[fields.name] = report::FiniteOrNull(NumberAt(Scores(json), {fields.name}));
  return side;
}

}  // namespace

absl::StatusOr<Json> CompareReports(const Json& a, const Json& b) {
  SUB1QUANT_RETURN_IF_ERROR(CheckReport(a, "first"));
  SUB1QUANT_RETURN_IF_ERROR(CheckReport(b, "second"));
  SUB1QUANT_RETURN_IF_ERROR(CheckSameCorpus(a, b));
  Json json;
  json["version"] = 1;
  json["a"] = Side(a);
  json["b"] = Side(b);
  json["difference"] = Json::object();
  for (const ProtocolFields& fields : kProtocols) {
    SUB1QUANT_ASSIGN_OR_RETURN(json["difference"][fields.name], Difference(a, b, fields));
  }
  return json;
}

}  // namespace sub1quant
