#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/digest.h"
#include "core/status.h"
#include "quant/codec/codec.h"
#include "quant/plan/key_pattern.h"
#include "quant/plan/specification.h"

namespace sub1quant {
namespace {

constexpr size_t kMaxTargets = 64, kMaxFormats = 64, kMaxRules = 1000, kMaxKeys = 100000, kMaxNameBytes = 255;
constexpr int64_t kMaxWindow = int64_t{1} << 17;

absl::Status Invalid(const std::string& option, const std::string& value, const std::string& want) {
  return absl::InvalidArgumentError(absl::StrCat("--", option, " '", value, "': want ", want));
}

absl::Status CheckCount(const std::string& option, size_t count, size_t limit) {
  if (count <= limit) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--", option, ": ", count, " given, want at most ", limit));
}

absl::Status CheckText(const std::string& option, const std::string& text) {
  const bool control = std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 32 || c == 127; });
  if (text.size() > kMaxNameBytes || control) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", option, ": want at most ", kMaxNameBytes, " bytes without control characters"));
  }
  return absl::OkStatus();
}

// K of `int2_error_budget_kK`, 0 for other methods.
int OutliersOf(const std::string& method) {
  const std::string prefix = "int2_error_budget_k";
  return method.rfind(prefix, 0) == 0 ? std::atoi(method.c_str() + prefix.size()) : 0;
}

absl::Status CheckMethod(const std::string& option, const std::string& method, int group_size) {
  if (FindCodec(method) == nullptr) return Invalid(option, method, absl::StrJoin(KnownMethods(), ", "));
  if (OutliersOf(method) > group_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", option, " '", method, "': more outliers than --group-size ", group_size));
  }
  return absl::OkStatus();
}

template <typename T>
absl::Status CheckDistinct(const std::string& option, const std::vector<T>& values) {
  std::set<T> seen;
  for (const T& value : values) {
    if (!seen.insert(value).second) {
      return absl::InvalidArgumentError(absl::StrCat("--", option, " '", value, "' is given twice"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckModel(const JobSpecification& s) {
  if (s.model_root.empty()) return absl::InvalidArgumentError("--model: required, as NAME/relative/path");
  SUB1QUANT_RETURN_IF_ERROR(CheckText("model", s.model_root));
  if (s.model_path.size() > 4096 || s.model_path.find('\0') != std::string::npos ||
      (!s.model_path.empty() && s.model_path[0] == '/')) {
    return absl::InvalidArgumentError("--model: want a relative path of at most 4096 bytes beneath its root");
  }
  SUB1QUANT_RETURN_IF_ERROR(CheckText("model", s.model_name));
  SUB1QUANT_RETURN_IF_ERROR(CheckText("corpus", s.corpus_name));
  return CheckText("label", s.label);
}

absl::Status CheckKind(const JobSpecification& s) {
  if (!s.quantize && !s.evaluate) {
    return absl::InvalidArgumentError("specification: neither quantize nor evaluate: nothing to do");
  }
  if (s.checkpoint_manifest_sha256.empty()) return absl::OkStatus();
  if (s.quantize) return absl::InvalidArgumentError("--checkpoint is for evaluate, not for a job that quantizes");
  if (!IsSha256Hex(s.checkpoint_manifest_sha256)) {
    return Invalid("checkpoint", s.checkpoint_manifest_sha256, "the SHA-256 of a manifest");
  }
  return absl::OkStatus();
}

absl::Status CheckTargets(const JobSpecification& s) {
  if (s.target_bpw.empty()) return absl::InvalidArgumentError("--target-bpw: want at least one");
  SUB1QUANT_RETURN_IF_ERROR(CheckCount("target-bpw", s.target_bpw.size(), kMaxTargets));
  for (double target : s.target_bpw) {
    if (!(std::isfinite(target) && target > 0 && target <= 32)) {
      return Invalid("target-bpw", absl::StrCat(target), "a number above 0 and at most 32");
    }
  }
  // As text: each target names a folder of the output.
  std::vector<std::string> names;
  for (double target : s.target_bpw) names.push_back(absl::StrCat(target));
  return CheckDistinct("target-bpw", names);
}

absl::Status CheckFormats(const JobSpecification& s) {
  SUB1QUANT_RETURN_IF_ERROR(Annotate(CheckGroupSize(s.group_size), "--group-size"));
  if (!s.uniform.empty() && !s.allocation.empty()) {
    return absl::InvalidArgumentError("--uniform and --allocation: want one of them");
  }
  if (!s.uniform.empty()) SUB1QUANT_RETURN_IF_ERROR(CheckMethod("uniform", s.uniform, s.group_size));
  SUB1QUANT_RETURN_IF_ERROR(CheckCount("formats", s.formats.size(), kMaxFormats));
  for (const std::string& method : s.formats) SUB1QUANT_RETURN_IF_ERROR(CheckMethod("formats", method, s.group_size));
  SUB1QUANT_RETURN_IF_ERROR(CheckDistinct("formats", s.formats));
  if (s.allocator != "greedy" && s.allocator != "optimal")
    return Invalid("allocator", s.allocator, "greedy or optimal");
  return absl::OkStatus();
}

template <typename T>
absl::Status CheckKeys(const std::string& option, const std::vector<std::pair<std::string, T>>& pairs) {
  SUB1QUANT_RETURN_IF_ERROR(CheckCount(option, pairs.size(), kMaxKeys));
  std::vector<std::string> keys;
  for (const auto& [key, value] : pairs) keys.push_back(key);
  return CheckDistinct(option, keys);
}

absl::Status CheckTensorRules(const JobSpecification& s) {
  SUB1QUANT_RETURN_IF_ERROR(CheckKeys("allocation", s.allocation));
  for (const auto& [key, method] : s.allocation) {
    SUB1QUANT_RETURN_IF_ERROR(Annotate(CheckMethod("allocation", method, s.group_size), key));
  }
  SUB1QUANT_RETURN_IF_ERROR(CheckKeys("activation-weights", s.activation_weights));
  for (const auto& [key, weight] : s.activation_weights) {
    if (!(std::isfinite(weight) && weight >= 0)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--activation-weights: '", key, "' is ", weight, ", want a finite number of at least 0"));
    }
  }
  SUB1QUANT_RETURN_IF_ERROR(CheckCount("pin", s.pins.size(), kMaxRules));
  for (const PinRule& pin : s.pins) {
    SUB1QUANT_RETURN_IF_ERROR(Annotate(KeyPattern::Compile(pin.regex).status(), "--pin"));
    if (pin.format != "keep") SUB1QUANT_RETURN_IF_ERROR(CheckMethod("pin", pin.format, s.group_size));
  }
  SUB1QUANT_RETURN_IF_ERROR(CheckCount("exclude", s.excludes.size(), kMaxRules));
  for (const std::string& regex : s.excludes) {
    SUB1QUANT_RETURN_IF_ERROR(Annotate(KeyPattern::Compile(regex).status(), "--exclude"));
  }
  return absl::OkStatus();
}

absl::Status CheckEvaluation(const JobSpecification& s) {
  if (s.dtype != "auto" && s.dtype != "float32" && s.dtype != "bfloat16") {
    return Invalid("dtype", s.dtype, "auto, float32 or bfloat16");
  }
  if (s.window < 2 || s.window > kMaxWindow) {
    return Invalid("window", absl::StrCat(s.window), absl::StrCat("2 to ", kMaxWindow));
  }
  if (s.stride < 1 || s.stride > s.window) {
    return Invalid("stride", absl::StrCat(s.stride), absl::StrCat("1 to the window, ", s.window));
  }
  if (s.max_chunks < 0) return Invalid("max-chunks", absl::StrCat(s.max_chunks), "at least 1, or 0 for all");
  if (!s.evaluate) return absl::OkStatus();
  if (s.corpus_sha256.empty()) return absl::InvalidArgumentError("--corpus: required unless --no-eval");
  if (!IsSha256Hex(s.corpus_sha256)) return Invalid("corpus", s.corpus_sha256, "the SHA-256 of an uploaded text");
  if (!s.published_protocol && !s.bos_per_window_protocol) {
    return absl::InvalidArgumentError("--protocol: want published, bos_per_window or both");
  }
  return absl::OkStatus();
}

// Every text travels in messages and reports, which carry nothing else.
absl::Status CheckUtf8(const JobSpecification& specification) {
  const Json json = ToJson(specification);
  for (const auto& [name, value] : json.items()) {
    try {
      value.dump();
    } catch (const Json::type_error&) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": not UTF-8"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Validate(const JobSpecification& specification) {
  SUB1QUANT_RETURN_IF_ERROR(CheckUtf8(specification));
  SUB1QUANT_RETURN_IF_ERROR(CheckModel(specification));
  SUB1QUANT_RETURN_IF_ERROR(CheckKind(specification));
  SUB1QUANT_RETURN_IF_ERROR(CheckTargets(specification));
  SUB1QUANT_RETURN_IF_ERROR(CheckFormats(specification));
  SUB1QUANT_RETURN_IF_ERROR(CheckTensorRules(specification));
  return CheckEvaluation(specification);
}

}  // namespace sub1quant
