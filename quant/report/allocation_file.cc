// --allocation FILE: whichever of our three files it is, it lists keys with methods somewhere.
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/report/json_access.h"
#include "quant/report/report.h"

namespace sub1quant {
namespace {

absl::StatusOr<const Json*> FindList(const Json& json) {
  for (const Json* list : {&report::At(json, {"mixed_allocation", "selected_layers"}),
                           &report::At(json, {"allocation", "tensors"}), &report::At(json, {"tensors"})})
    if (list->is_array()) return list;
  return absl::InvalidArgumentError(
      "allocation file: neither a scan.json (mixed_allocation.selected_layers), nor a report.json "
      "(allocation.tensors), nor a "
      "manifest.json (tensors)");
}

}  // namespace

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> AllocationFromFile(const std::string& text) {
  auto json = ParseJson(text);
  if (!json.ok()) return Annotate(json.status(), "allocation file");
  SUB1QUANT_ASSIGN_OR_RETURN(const Json* list, FindList(*json));
  std::vector<std::pair<std::string, std::string>> allocation;
  std::set<std::string> seen;
  for (const Json& entry : *list) {
    const std::string key = report::TextAt(entry, {"key"});
    const std::string method = report::TextAt(entry, {"method"});
    const std::string where = absl::StrCat("allocation file: entry ", allocation.size());
    if (key.empty()) return absl::InvalidArgumentError(absl::StrCat(where, " has no key"));
    if (method.empty()) return absl::InvalidArgumentError(absl::StrCat(where, " '", key, "' has no method"));
    if (!seen.insert(key).second)
      return absl::InvalidArgumentError(absl::StrCat(where, ": '", key, "' is there twice"));
    allocation.emplace_back(key, method);
  }
  if (allocation.empty()) return absl::InvalidArgumentError("allocation file: lists no matrix");
  return allocation;
}

}  // namespace sub1quant
