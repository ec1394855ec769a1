#include "quant/model/tensor_digest.h"

#include <algorithm>

#include "core/digest.h"
#include "core/status.h"

namespace sub1quant {

absl::StatusOr<std::string> TensorSha256(ModelSource& model, const TensorRecord& tensor) {
  std::string buffer(std::min<uint64_t>(tensor.bytes, uint64_t{4} << 20), '\0');
  Sha256 digest;
  for (uint64_t done = 0; done < tensor.bytes;) {
    const uint64_t part = std::min<uint64_t>(buffer.size(), tensor.bytes - done);
    SUB1QUANT_RETURN_IF_ERROR(model.Read(tensor.file, tensor.offset + done, buffer.data(), part));
    digest.Update(buffer.data(), part);
    done += part;
  }
  return digest.HexDigest();
}

}  // namespace sub1quant
