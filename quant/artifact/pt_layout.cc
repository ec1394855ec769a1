#include "quant/artifact/pt_layout.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/artifact/pt_integer.h"

namespace sub1quant {
namespace {

constexpr char kBudgetPrefix[] = "int2_error_budget_k";
constexpr char kBudgetFormat[] = "int2_error_budget_residual";
constexpr char kIntegerPrefix[] = "int";
constexpr char kIntegerFormat[] = "groupwise_int";

// Methods with a groupwise_int entry.
bool IsIntegerMethod(const std::string& method) {
  const std::vector<std::string>& all = IntegerMethods();
  return std::find(all.begin(), all.end(), method) != all.end() && EntryMethod(method) == method;
}

PtItem Number(const std::string& name, int64_t value) { return {name, false, value, DType::kUnknown, {}, false}; }
PtItem Bytes(const std::string& name, std::vector<int64_t> shape) {
  return {name, true, 0, DType::kU8, std::move(shape), false};
}
PtItem Halves(const std::string& name, std::vector<int64_t> shape) {
  return {name, true, 0, DType::kF16, std::move(shape), false};
}

// What every shape below is made of.
struct Sizes {
  int64_t rows, groups;  // groups per row
  int64_t count;         // codes of the padded matrix
};

std::vector<PtItem> Base(const Sizes& s) {
  return {Number("base_bits", 2), Bytes("base_packed", {(s.count + 3) / 4}), Number("base_count", s.count),
          Halves("base_scales", {s.rows, s.groups})};
}

std::vector<PtItem> Residual(const Sizes& s, const std::string& prefix) {
  return {Bytes(prefix + "_packed", {(s.count + 7) / 8}), Number(prefix + "_count", s.count),
          Halves(prefix + "_scales", {s.rows, s.groups})};
}

std::vector<PtItem> Corrections(const Sizes& s, int64_t k) {
  const int64_t entries = s.rows * s.groups * k;
  return {Number("correction_bits", 4),
          Number("outliers_per_group", k),
          Bytes("outlier_indices", {s.rows, s.groups, k}),
          Bytes("outlier_counts", {s.rows, s.groups}),
          Bytes("outlier_packed", {(entries + 1) / 2}),
          Number("outlier_count", entries),
          Halves("outlier_scales", {s.rows, s.groups})};
}

void Append(std::vector<PtItem>* items, std::vector<PtItem> more) {
  for (PtItem& item : more) items->push_back(std::move(item));
}

PtEntryLayout Int4Entry(const Sizes& s) {
  return {"groupwise_int4",
          {Number("bits", 4), Halves("scales", {s.rows, s.groups}), Bytes("packed_int4", {(s.count + 1) / 2})}};
}

// Widths without an entry that older readers know.
PtEntryLayout IntegerEntry(const Sizes& s, int64_t bits) {
  return {kIntegerFormat,
          {Number("bits", bits), Halves("scales", {s.rows, s.groups}),
           Bytes("packed", {s.rows, s.count / s.rows * bits / 8}), Number("count", s.count)}};
}

PtEntryLayout BinaryEntry(const Sizes& s, const std::string& format, bool ignored) {
  PtEntryLayout layout{format, Base(s)};
  std::vector<PtItem> residual = Residual(s, "residual");
  residual.push_back(Number("residual_bits", 1));
  for (PtItem& item : residual) item.ignored = ignored;
  Append(&layout.items, std::move(residual));
  return layout;
}

PtEntryLayout BudgetEntry(const Sizes& s, int64_t k) {
  PtEntryLayout layout{kBudgetFormat, Base(s)};
  Append(&layout.items, Residual(s, "binary_residual"));
  Append(&layout.items, Corrections(s, k));
  return layout;
}

}  // namespace

absl::StatusOr<PtEntryLayout> LayoutOfEntry(const std::string& method, int64_t rows, int64_t cols, int group_size,
                                            bool ignored) {
  const int64_t groups = GroupsPerRow(cols, group_size);
  const Sizes sizes{rows, groups, rows * groups * group_size};
  int64_t k = 0, bits = 0;
  if (method == "groupwise_int4" || method == "int4") return Int4Entry(sizes);
  if (method == "int2_binary_residual") return BinaryEntry(sizes, method, /*ignored=*/false);
  if (method == "int2_base" && ignored) return BinaryEntry(sizes, method, /*ignored=*/true);
  if (method == "int2_base" || method == "int2") return PtEntryLayout{"int2_base", Base(sizes)};
  if (absl::StartsWith(method, kBudgetPrefix) && absl::SimpleAtoi(method.substr(sizeof(kBudgetPrefix) - 1), &k) &&
      k >= 1 && k <= 255)
    return BudgetEntry(sizes, k);
  if (IsIntegerMethod(method) && absl::SimpleAtoi(method.substr(sizeof(kIntegerPrefix) - 1), &bits))
    return IntegerEntry(sizes, bits);
  return absl::InvalidArgumentError("method '" + method + "' has no entry in the published checkpoint layout");
}

absl::StatusOr<std::string> MethodOfFormat(const std::string& format, int64_t outliers, int64_t bits) {
  if (format == "groupwise_int4" || format == "int2_binary_residual" || format == "int2_base") return format;
  if (format == kBudgetFormat && outliers >= 1 && outliers <= 255) return absl::StrCat(kBudgetPrefix, outliers);
  if (format == kBudgetFormat)
    return absl::InvalidArgumentError(absl::StrCat("outliers_per_group ", outliers, ": 1 to 255 expected"));
  if (format == kIntegerFormat && IsIntegerMethod(absl::StrCat(kIntegerPrefix, bits)))
    return absl::StrCat(kIntegerPrefix, bits);
  if (format == kIntegerFormat)
    return absl::InvalidArgumentError(absl::StrCat("bits ", bits, ": 3, 5, 6 or 8 expected"));
  return absl::InvalidArgumentError(
      "format '" + format +
      "': groupwise_int4, int2_base, int2_binary_residual, int2_error_budget_residual or groupwise_int expected");
}

void DropIgnoredArrays(EncodedMatrix* encoded) {
  if (encoded->method != "int2_base") return;
  std::erase_if(encoded->arrays, [](const EncodedArray& array) { return absl::StartsWith(array.name, "residual_"); });
}

}  // namespace sub1quant
