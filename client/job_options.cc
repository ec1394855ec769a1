#include "client/job_options.h"

#include <algorithm>
#include <charconv>
#include <type_traits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/outcome.h"
#include "core/file.h"
#include "core/json.h"
#include "core/status.h"
#include "quant/codec/codec.h"
#include "quant/report/report.h"

namespace sub1quant {
namespace {

constexpr uint64_t kMaxJsonBytes = uint64_t{64} << 20;

absl::StatusOr<Json> ReadJson(const std::string& option, const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxJsonBytes);
  if (!text.ok()) return Annotate(text.status(), option);
  absl::StatusOr<Json> json = ParseJson(*text);
  if (!json.ok()) return Annotate(json.status(), absl::StrCat(option, " ", path));
  return json;
}

absl::StatusOr<JobSpecification> ReadSpecification(const std::string& path) {
  SUB1QUANT_ASSIGN_OR_RETURN(Json json, ReadJson("--spec", path));
  // A whole report is welcome too: it carries the specification that reproduces it.
  if (json.is_object() && json.contains("specification")) json = Json(json["specification"]);
  absl::StatusOr<JobSpecification> specification = SpecificationFromJson(json);
  if (!specification.ok()) return Annotate(specification.status(), absl::StrCat("--spec ", path));
  return specification;
}

absl::Status ReadActivationWeights(const std::string& path, JobSpecification& specification) {
  SUB1QUANT_ASSIGN_OR_RETURN(const Json json, ReadJson("--activation-weights", path));
  if (!json.is_object())
    return absl::InvalidArgumentError(
        absl::StrCat("--activation-weights ", path, ": an object of key → weight is expected"));
  specification.activation_weights.clear();
  for (const auto& [key, weight] : json.items()) {
    if (!weight.is_number())
      return absl::InvalidArgumentError(
          absl::StrCat("--activation-weights ", path, ": '", key, "': a number is expected, not ", weight.dump()));
    specification.activation_weights.emplace_back(key, weight.get<double>());
  }
  return absl::OkStatus();
}

// The command line library clips a number that no 64 bits hold; an error must show the number that was given.
std::string CheckFits(const std::string& text) {
  const size_t first = text.find_first_not_of("+-");
  int64_t value = 0;
  const bool digits = first != std::string::npos && text.find_first_not_of("0123456789", first) == std::string::npos;
  return digits && !absl::SimpleAtoi(text, &value) ? absl::StrCat(text, " is out of range") : "";
}

}  // namespace

template <typename T>
CLI::Option* JobOptions::Bind(CLI::App& command, const std::string& name, T JobSpecification::*member,
                              const std::string& text) {
  CLI::Option* option = command.add_option(name, given_.*member, text);
  if constexpr (std::is_integral_v<T>) option->check(CheckFits);
  overrides_.emplace_back(option, [this, member](JobSpecification& s) { s.*member = given_.*member; });
  return option;
}

void JobOptions::AddFlag(CLI::App& command, const std::string& name, bool JobSpecification::*member,
                         const std::string& text) {
  overrides_.emplace_back(command.add_flag(name, text), [member](JobSpecification& s) { s.*member = false; });
}

void JobOptions::AddSearchOptions(CLI::App& command) {
  command
      .add_option("--spec", spec_file_,
                  "job specification, or a report that carries one; options given here override it")
      ->type_name("FILE");
  target_ = Bind(command, "--target-bpw", &JobSpecification::target_bpw,
                 "average nominal bits per weight; repeatable: one search, several allocations")
                ->type_name("X")
                ->allow_extra_args(false)
                ->delimiter(',')
                ->default_str("4.0");
  uniform_ = Bind(command, "--uniform", &JobSpecification::uniform, "no search: this format everywhere")
                 ->type_name("FORMAT")
                 ->excludes(target_);
  command
      .add_option("--allocation", allocation_file_, "no search: formats from a scan.json, report.json or manifest.json")
      ->type_name("FILE")
      ->excludes(target_)
      ->excludes(uniform_);
  command
      .add_option("--formats", formats_,
                  absl::StrCat("candidates: published, integer, or a list of ", absl::StrJoin(KnownMethods(), ", ")))
      ->type_name("LIST")
      ->allow_extra_args(false)
      ->delimiter(',')
      ->default_str("published");
  Bind(command, "--group-size", &JobSpecification::group_size, "32, 64, 128 or 256")
      ->type_name("N")
      ->capture_default_str();
  Bind(command, "--allocator", &JobSpecification::allocator, "greedy (the published rule) or optimal")
      ->type_name("NAME")
      ->capture_default_str();
  command.add_option("--activation-weights", activation_weights_file_, "JSON: key → weight")->type_name("FILE");
  command.add_option("--pin", pins_, "this format where the key matches; keep: left as it is, counted; repeatable")
      ->type_name("REGEX=FORMAT")
      ->allow_extra_args(false);
  Bind(command, "--exclude", &JobSpecification::excludes, "neither quantized nor counted; repeatable")
      ->type_name("REGEX")
      ->allow_extra_args(false);
  AddFlag(command, "--no-baseline", &JobSpecification::baseline, "do not score the unquantized model");
  AddFlag(command, "--no-eval", &JobSpecification::evaluate, "no scoring at all");
}

void JobOptions::AddScoringOptions(CLI::App& command) {
  Bind(command, "--window", &JobSpecification::window, "tokens per window")->type_name("N")->capture_default_str();
  stride_ = Bind(command, "--stride", &JobSpecification::stride,
                 "tokens between windows of the published protocol; never more than the window unless given")
                ->type_name("N")
                ->capture_default_str();
  Bind(command, "--max-chunks", &JobSpecification::max_chunks, "only the first N windows")
      ->type_name("N")
      ->default_str("all");
  Bind(command, "--dtype", &JobSpecification::dtype, "auto (bfloat16 on CUDA, float32 on CPU), float32 or bfloat16")
      ->type_name("NAME")
      ->capture_default_str();
  command.add_option("--protocol", protocols_, "which perplexities: published, bos_per_window")
      ->type_name("LIST")
      ->allow_extra_args(false)
      ->delimiter(',')
      ->default_str("published,bos_per_window");
  Bind(command, "--label", &JobSpecification::label, "name of the result [from the model's name and target]")
      ->type_name("TEXT");
}

absl::StatusOr<std::vector<std::string>> ExpandFormats(const std::vector<std::string>& names) {
  std::vector<std::string> formats;
  auto add = [&formats](const std::string& name) {
    if (std::find(formats.begin(), formats.end(), name) == formats.end()) formats.push_back(name);
  };
  for (const std::string& name : names) {
    if (name == "published") {
      for (const std::string& method : PublishedMethods()) add(method);
    } else if (name == "integer") {
      for (const std::string& method : IntegerMethods()) add(method);
    } else {
      add(name);
    }
  }
  for (const std::string& format : formats)
    if (FindCodec(format) == nullptr)
      return absl::InvalidArgumentError(absl::StrCat("--formats: unknown format '", format,
                                                     "'; known: published, integer, ",
                                                     absl::StrJoin(KnownMethods(), ", ")));
  return formats;
}

absl::StatusOr<PinRule> ParsePin(const std::string& text) {
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
    return absl::InvalidArgumentError(absl::StrCat("--pin ", text, ": REGEX=FORMAT is expected"));
  return PinRule{text.substr(0, equals), text.substr(equals + 1)};
}

absl::Status JobOptions::ReadFiles(JobSpecification& specification) const {
  if (!activation_weights_file_.empty())
    SUB1QUANT_RETURN_IF_ERROR(ReadActivationWeights(activation_weights_file_, specification));
  if (allocation_file_.empty()) return absl::OkStatus();
  const absl::StatusOr<std::string> text = ReadFile(allocation_file_, kMaxJsonBytes);
  if (!text.ok()) return Annotate(text.status(), "--allocation");
  auto allocation = AllocationFromFile(*text);
  if (!allocation.ok()) return Annotate(allocation.status(), absl::StrCat("--allocation ", allocation_file_));
  specification.allocation = *std::move(allocation);
  specification.uniform.clear();
  return absl::OkStatus();
}

absl::Status JobOptions::ApplyText(JobSpecification& specification) const {
  if (!formats_.empty()) {
    SUB1QUANT_ASSIGN_OR_RETURN(specification.formats, ExpandFormats(formats_));
  }
  if (!pins_.empty()) specification.pins.clear();
  for (const std::string& text : pins_) {
    SUB1QUANT_ASSIGN_OR_RETURN(PinRule pin, ParsePin(text));
    specification.pins.push_back(std::move(pin));
  }
  if (protocols_.empty()) return absl::OkStatus();
  specification.published_protocol = specification.bos_per_window_protocol = false;
  for (const std::string& name : protocols_) {
    if (name == "published") {
      specification.published_protocol = true;
    } else if (name == "bos_per_window") {
      specification.bos_per_window_protocol = true;
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("--protocol ", name, ": published, bos_per_window or both with a comma between are expected"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<JobSpecification> JobOptions::Specification() const {
  JobSpecification specification;
  if (!spec_file_.empty()) {
    SUB1QUANT_ASSIGN_OR_RETURN(specification, ReadSpecification(spec_file_));
  }
  for (const auto& [option, set] : overrides_)
    if (option->count() > 0) set(specification);
  // A smaller window alone means smaller steps too, not gaps between windows.
  if (stride_ != nullptr && stride_->count() == 0)
    specification.stride = std::min(specification.stride, specification.window);
  // A target or a uniform format on the command line replaces what the file said of the other ways to choose.
  if (target_ != nullptr && target_->count() > 0) {
    specification.uniform.clear();
    specification.allocation.clear();
  }
  if (uniform_ != nullptr && uniform_->count() > 0) specification.allocation.clear();
  SUB1QUANT_RETURN_IF_ERROR(ReadFiles(specification));
  SUB1QUANT_RETURN_IF_ERROR(ApplyText(specification));
  return specification;
}

std::string TargetText(double target_bpw) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, target_bpw).ptr;
  std::string text(buffer, end);
  if (text.find_first_not_of("0123456789") == std::string::npos) text += ".0";
  return text;
}

std::string DefaultLabel(const JobSpecification& specification) {
  std::string what;
  if (!specification.quantize) {
    what = specification.checkpoint_manifest_sha256.empty() ? "base" : "checkpoint";
  } else if (!specification.allocation.empty()) {
    what = "allocation";
  } else if (!specification.uniform.empty()) {
    what = specification.uniform;
  } else {
    std::vector<std::string> targets;
    for (double target : specification.target_bpw) targets.push_back(TargetText(target));
    what = absl::StrCat(absl::StrJoin(targets, "-"), "bpw");
  }
  return absl::StrCat(specification.model_name, "-", what);
}

}  // namespace sub1quant
