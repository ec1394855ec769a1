// Checks that the conversions share. Errors name the field as proto spells it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "quant/model/tensor.h"
#include "quant/search/search.h"
#include "sub1quant/v1/plan.pb.h"

namespace sub1quant {

absl::Status CheckDigest(const std::string& field, const std::string& value);
absl::Status CheckMethodField(const std::string& field, const std::string& method);
absl::Status CheckRange(const std::string& field, int64_t value, int64_t least, int64_t most);

v1::ExactSum SumToProto(const ExactSum& sum);
ExactSum SumFromProto(const v1::ExactSum& proto);

v1::TensorRecord TensorToProto(const TensorRecord& tensor);
// A non-empty matrix of BF16, F16 or F32 whose `bytes` match its shape.
absl::StatusOr<TensorRecord> MatrixFromProto(const v1::TensorRecord& proto);

v1::CandidateRow RowToProto(const CandidateRow& row);
absl::StatusOr<CandidateRow> RowFromProto(const v1::CandidateRow& proto);

}  // namespace sub1quant
