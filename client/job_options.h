// The options that make a job specification (docs/interface.md §2), for `run`, `submit` and `evaluate`. What is given
// overrides --spec FILE; what neither gives has the default of JobSpecification.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "quant/plan/specification.h"

namespace sub1quant {

// Lives as long as the CLI::App that it was added to.
class JobOptions {
 public:
  JobOptions() = default;
  JobOptions(const JobOptions&) = delete;
  JobOptions& operator=(const JobOptions&) = delete;

  void AddSearchOptions(CLI::App& command);   // targets, formats, pins, --spec, …
  void AddScoringOptions(CLI::App& command);  // window, dtype, protocols, …

  // The specification without model and corpus. Errors name the option; ranges are judged by Validate.
  absl::StatusOr<JobSpecification> Specification() const;

 private:
  using Setter = std::function<void(JobSpecification&)>;
  template <typename T>
  CLI::Option* Bind(CLI::App& command, const std::string& name, T JobSpecification::*member, const std::string& text);
  void AddFlag(CLI::App& command, const std::string& name, bool JobSpecification::*member, const std::string& text);
  absl::Status ReadFiles(JobSpecification& specification) const;
  absl::Status ApplyText(JobSpecification& specification) const;

  JobSpecification given_;
  std::vector<std::pair<CLI::Option*, Setter>> overrides_;
  std::string spec_file_, allocation_file_, activation_weights_file_;
  std::vector<std::string> formats_, pins_, protocols_;
  CLI::Option* target_ = nullptr;
  CLI::Option* uniform_ = nullptr;
  CLI::Option* stride_ = nullptr;
};

// "published", "integer" and methods, mixed and in order; duplicates are left out.
absl::StatusOr<std::vector<std::string>> ExpandFormats(const std::vector<std::string>& names);
// "REGEX=FORMAT"; the last "=" divides.
absl::StatusOr<PinRule> ParsePin(const std::string& text);
// "gemma4-tiny-4.0bpw": model name and what is asked of it.
std::string DefaultLabel(const JobSpecification& specification);
// "4.0", "3.25": the shortest decimal that reads back, with at least one digit after the point.
std::string TargetText(double target_bpw);

}  // namespace sub1quant
