#include "server/flow/inspect.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/digest.h"
#include "core/parallel.h"
#include "core/status.h"
#include "quant/codec/codec.h"
#include "quant/eval/corpus.h"
#include "quant/eval/tokenizer.h"
#include "quant/model/gemma4_config.h"
#include "quant/model/model_identity.h"
#include "quant/model/quantizable.h"
#include "quant/model/safetensors.h"
#include "quant/model/tensor_digest.h"
#include "quant/plan/key_pattern.h"
#include "server/flow/search.h"
#include "server/flow/stages.h"

namespace sub1quant {
namespace {

constexpr uint64_t kMaxConfigBytes = uint64_t{16} << 20;
constexpr uint64_t kMaxTokenizerBytes = uint64_t{256} << 20;
// Of one CPU core, float32: what cost estimates are made with. Only the order and size of tasks depend on it.
constexpr double kFlopsPerSecond = 5e10;

absl::Status CheckSourceType(const TensorRecord& tensor) {
  if (tensor.dtype == DType::kBF16 || tensor.dtype == DType::kF16 || tensor.dtype == DType::kF32)
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(tensor.key, ": dtype ", DTypeName(tensor.dtype), " cannot be quantized; BF16, F16 and F32 can"));
}

// An average over no weights means nothing.
absl::Status CheckExtent(const TensorRecord& tensor) {
  if (tensor.elements() > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("tensor '", tensor.key, "' has shape [", tensor.rows(), ",",
                                                 tensor.cols(), "], no weights; --exclude it"));
}

// Which pin (the first that matches) and exclusion hold for each matrix, and which rules match none.
class Rules {
 public:
  static absl::StatusOr<Rules> Compile(const JobSpecification& specification) {
    Rules rules;
    for (const PinRule& pin : specification.pins) {
      SUB1QUANT_ASSIGN_OR_RETURN(KeyPattern pattern, KeyPattern::Compile(pin.regex));
      rules.pins_.push_back({absl::StrCat("--pin ", pin.regex, "=", pin.format), std::move(pattern), pin.format});
    }
    for (const std::string& exclude : specification.excludes) {
      SUB1QUANT_ASSIGN_OR_RETURN(KeyPattern pattern, KeyPattern::Compile(exclude));
      rules.excludes_.push_back({absl::StrCat("--exclude ", exclude), std::move(pattern), ""});
    }
    return rules;
  }
  bool Excluded(const std::string& key) { return FirstMatch(excludes_, key) != nullptr; }
  std::string Pinned(const std::string& key) {
    const Rule* rule = FirstMatch(pins_, key);
    return rule == nullptr ? "" : rule->format;
  }
  // Of the keys asked for so far.
  std::vector<std::string> Unmatched() const {
    std::vector<std::string> options;
    for (const auto* rules : {&pins_, &excludes_})
      for (const Rule& rule : *rules)
        if (!rule.matched) options.push_back(rule.option);
    return options;
  }

 private:
  struct Rule {
    std::string option;  // as given
    KeyPattern pattern;
    std::string format;  // of a pin
    bool matched = false;
  };

  static const Rule* FirstMatch(std::vector<Rule>& rules, const std::string& key) {
    const Rule* first = nullptr;
    for (Rule& rule : rules) {
      if (!rule.pattern.Matches(key)) continue;
      rule.matched = true;
      if (first == nullptr) first = &rule;
    }
    return first;
  }

  std::vector<Rule> pins_, excludes_;
};

// Kept matrices are read here and by nobody else: their digests belong to the fingerprint of the model. Workers have
// nothing to do meanwhile.
absl::Status DigestKept(const TensorInventory& inventory, ModelSource& model, Inspection* inspection) {
  std::map<std::string, const TensorRecord*> records;
  for (const TensorRecord& record : inventory.tensors) records.emplace(record.key, &record);
  std::vector<KeptTensor>& kept = inspection->kept;
  return ParallelFor(AvailableThreads(), static_cast<int64_t>(kept.size()), [&](int64_t i) -> absl::Status {
    KeptTensor& tensor = kept[static_cast<size_t>(i)];
    SUB1QUANT_ASSIGN_OR_RETURN(tensor.tensor_sha256, TensorSha256(model, *records.at(tensor.key)));
    return absl::OkStatus();
  });
}

absl::Status SelectTensors(const JobSpecification& specification, const TensorInventory& inventory,
                           InspectResult* result) {
  Inspection* inspection = &result->inspection;
  std::map<std::string, std::string> identities;
  for (const ModelFile& file : inventory.files) identities[file.name] = file.identity;
  const QuantizableSelection selection = SelectQuantizable(inventory);
  inspection->facts.selection = selection.text_only ? "text-only" : "multimodal";
  inspection->facts.quantizable_tensors = static_cast<int64_t>(selection.indices.size());
  inspection->facts.quantizable_parameters = selection.parameters;
  if (selection.indices.empty() && specification.quantize)
    return absl::InvalidArgumentError(
        absl::StrCat("no quantizable matrix among the ", inventory.tensors.size(),
                     " tensors: the key must contain 'weight' and be a 2-D text matrix (see `sub1quant inspect`)"));
  SUB1QUANT_ASSIGN_OR_RETURN(Rules rules, Rules::Compile(specification));
  for (size_t i = 0; i < selection.indices.size(); ++i) {
    const TensorRecord& record = inventory.tensors[selection.indices[i]];
    const bool excluded = rules.Excluded(record.key);
    const std::string pinned = rules.Pinned(record.key);
    if (specification.quantize && !excluded) SUB1QUANT_RETURN_IF_ERROR(CheckExtent(record));
    if (excluded || pinned == "keep") {
      inspection->kept.push_back(
          {record.key, DTypeName(record.dtype), record.rows(), record.cols(), excluded, static_cast<int64_t>(i)});
      continue;
    }
    if (specification.quantize) SUB1QUANT_RETURN_IF_ERROR(CheckSourceType(record));
    inspection->tensors.push_back({static_cast<int64_t>(i), record, identities[record.file], pinned});
  }
  for (const std::string& option : rules.Unmatched())
    result->warnings.push_back(
        absl::StrCat(option, " matches none of the ", selection.indices.size(), " quantizable matrices"));
  if (inspection->tensors.empty() && specification.quantize)
    return absl::InvalidArgumentError("--pin and --exclude leave no matrix to quantize");
  return absl::OkStatus();
}

// Widths depend on shapes alone: a target below the narrowest candidates is refused before anything is searched.
absl::Status CheckTargets(const JobSpecification& specification, const Inspection& inspection) {
  double bits = 0, params = 0;
  for (const InspectedTensor& tensor : inspection.tensors) {
    const int64_t rows = tensor.record.rows(), cols = tensor.record.cols();
    double narrowest = 0;
    for (const std::string& method : CandidateMethods(specification, tensor)) {
      if (!tensor.pinned_method.empty() && method != tensor.pinned_method) continue;
      const Codec* codec = FindCodec(method);
      if (codec == nullptr) return absl::InvalidArgumentError(absl::StrCat("unknown format '", method, "'"));
      const auto width = static_cast<double>(codec->NominalBits(rows, cols, specification.group_size));
      narrowest = narrowest == 0 ? width : std::min(narrowest, width);
    }
    bits += narrowest;
    params += static_cast<double>(rows) * static_cast<double>(cols);
  }
  for (const KeptTensor& kept : inspection.kept) {
    if (kept.excluded) continue;
    const double elements = static_cast<double>(kept.rows) * static_cast<double>(kept.cols);
    bits += elements * 8 * DTypeSize(ParseDType(kept.dtype).value_or(DType::kBF16));
    params += elements;
  }
  for (const double target : specification.target_bpw)
    if (bits > target * params + 1e-9)
      return absl::InvalidArgumentError(absl::StrFormat(
          "--target-bpw %g is below %.9g, the smallest average that these formats reach", target, bits / params));
  return absl::OkStatus();
}

// A file beyond its bound is a bad model, and no shortage that passes.
absl::StatusOr<std::string> ReadSmallFile(ModelSource& model, const std::string& name, uint64_t max_bytes) {
  absl::StatusOr<std::string> bytes = ReadModelFile(model, name, max_bytes);
  if (!absl::IsResourceExhausted(bytes.status())) return bytes;
  return absl::InvalidArgumentError(bytes.status().message());
}

// Every tensor that the forward pass reads must be there, with the shape that it needs, before any work starts.
absl::Status CheckScorable(const Gemma4Config& config, const TensorInventory& inventory, Inspection* inspection) {
  const Gemma4Tensors tensors = Gemma4TensorShapes(config, inspection->facts.selection == "text-only");
  SUB1QUANT_RETURN_IF_ERROR(CheckGemma4Tensors(tensors, inventory));
  for (const Gemma4Tensor& tensor : tensors.unused_kv_shared)
    inspection->facts.kv_shared_unused_keys.push_back(tensor.key);
  return absl::OkStatus();
}

double WindowSeconds(const TensorInventory& inventory, int64_t window) {
  double weights = 0;
  for (const TensorRecord& tensor : inventory.tensors)
    if (tensor.shape.size() == 2 && tensor.key.find("embed_tokens_per_layer") == std::string::npos)
      weights += static_cast<double>(tensor.elements());
  return 2 * weights * static_cast<double>(window) / kFlopsPerSecond;
}

absl::Status CountTokens(const JobSpecification& specification, const Gemma4Config& config, ModelSource& model,
                         BlobStore& blobs, Inspection* inspection) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string tokenizer_json,
                             ReadSmallFile(model, "tokenizer.json", kMaxTokenizerBytes));
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::Parse(tokenizer_json);
  SUB1QUANT_RETURN_IF_ERROR(Annotate(tokenizer.status(), "tokenizer.json"));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string text, blobs.Get(specification.corpus_sha256));
  absl::StatusOr<std::vector<int32_t>> ids = TokenizeCorpus(**tokenizer, text);
  SUB1QUANT_RETURN_IF_ERROR(Annotate(ids.status(), "corpus " + specification.corpus_name));
  for (const int32_t id : *ids)
    if (id >= config.vocab_size)
      return absl::InvalidArgumentError(
          absl::StrCat("token id ", id, " of tokenizer.json is outside the model's vocabulary of ", config.vocab_size));
  inspection->token_count = static_cast<int64_t>(ids->size());
  if (specification.published_protocol) {
    absl::StatusOr<std::vector<Window>> windows =
        PlanPublished(inspection->token_count, specification.window, specification.stride, specification.max_chunks);
    SUB1QUANT_RETURN_IF_ERROR(Annotate(windows.status(), "corpus " + specification.corpus_name));
    inspection->published_windows = static_cast<int64_t>(windows->size());
  }
  if (specification.bos_per_window_protocol) {
    absl::StatusOr<std::vector<Window>> windows =
        PlanBosPerWindow(inspection->token_count, specification.window, specification.max_chunks);
    SUB1QUANT_RETURN_IF_ERROR(Annotate(windows.status(), "corpus " + specification.corpus_name));
    inspection->bos_windows = static_cast<int64_t>(windows->size());
  }
  SUB1QUANT_ASSIGN_OR_RETURN(inspection->tokens_sha256, PutBlob(blobs, TokensToBytes(*ids)));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<InspectResult> Inspect(const JobSpecification& specification, ModelSource& model, BlobStore& blobs) {
  InspectResult result;
  Inspection& inspection = result.inspection;
  SUB1QUANT_ASSIGN_OR_RETURN(const TensorInventory inventory, ReadInventory(model));
  inspection.facts.name = specification.model_name;
  inspection.facts.total_bytes = inventory.total_bytes();
  SUB1QUANT_RETURN_IF_ERROR(SelectTensors(specification, inventory, &result));
  if (Searches(specification)) SUB1QUANT_RETURN_IF_ERROR(CheckTargets(specification, inspection));

  const absl::StatusOr<std::string> config_json = ReadSmallFile(model, "config.json", kMaxConfigBytes);
  if (config_json.ok()) inspection.facts.config_sha256 = Sha256Hex(*config_json);
  inspection.model_identity = ModelIdentity(inventory, inspection.facts.config_sha256);
  absl::StatusOr<Gemma4Config> config =
      config_json.ok() ? ParseGemma4Config(*config_json) : absl::StatusOr<Gemma4Config>(config_json.status());
  if (config.ok()) inspection.facts.architecture = config->architecture;
  const absl::Status scorable = config.ok() ? CheckScorable(*config, inventory, &inspection)
                                            : Annotate(config.status(), config_json.ok() ? "config.json" : "model");
  if (!scorable.ok()) {
    if (specification.evaluate) return scorable;
    result.warnings.push_back(absl::StrCat("this model could not be scored: ", std::string(scorable.message())));
  }
  if (specification.evaluate) {
    SUB1QUANT_RETURN_IF_ERROR(CountTokens(specification, *config, model, blobs, &inspection));
    inspection.window_seconds = WindowSeconds(inventory, specification.window);
  }
  SUB1QUANT_RETURN_IF_ERROR(DigestKept(inventory, model, &inspection));
  if (inspection.facts.selection == "text-only")
    result.warnings.emplace_back("selection: text-only (no key contains 'language_model')");
  return result;
}

}  // namespace sub1quant
