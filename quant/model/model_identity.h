// The version of a whole model: what the server sees when it inspects the model, and a worker before and after it reads
// the weights.
#pragma once

#include <string>

#include "quant/model/safetensors.h"

namespace sub1quant {

// SHA-256, in hexadecimal, over config.json's digest ("" without one) and, for each weight file in the inventory's
// order, its name, the digest of its header and its identity; each field with its length before it.
std::string ModelIdentity(const TensorInventory& inventory, const std::string& config_sha256);

}  // namespace sub1quant
