#include "quant/model/model_identity.h"

#include "core/digest.h"

namespace sub1quant {

std::string ModelIdentity(const TensorInventory& inventory, const std::string& config_sha256) {
  Sha256 digest;
  digest.UpdateField(config_sha256);
  for (const ModelFile& file : inventory.files) {
    digest.UpdateField(file.name);
    digest.UpdateField(file.header_sha256);
    digest.UpdateField(file.identity);
  }
  return digest.HexDigest();
}

}  // namespace sub1quant
