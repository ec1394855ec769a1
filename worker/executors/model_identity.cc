#include "worker/executors/model_identity.h"

#include "absl/strings/str_cat.h"
#include "core/digest.h"
#include "core/status.h"
#include "quant/model/model_identity.h"
#include "quant/model/safetensors.h"

namespace sub1quant {
namespace {

constexpr uint64_t kMaxConfigBytes = uint64_t{16} << 20;

absl::StatusOr<std::string> IdentityOf(ModelSource& source) {
  SUB1QUANT_ASSIGN_OR_RETURN(const TensorInventory inventory, ReadInventory(source));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string config, ReadModelFile(source, "config.json", kMaxConfigBytes));
  return ModelIdentity(inventory, Sha256Hex(config));
}

}  // namespace

absl::Status CheckModelIdentity(ModelSource& source, const std::string& identity) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string now, IdentityOf(source));
  if (now == identity) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("model changed: its files are no longer those that the job was planned with (", now.substr(0, 12),
                   ", expected ", identity.substr(0, 12), ")"));
}

}  // namespace sub1quant
