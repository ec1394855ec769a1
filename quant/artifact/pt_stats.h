// The header of a checkpoint as JSON values in the reference's order and kinds: everything but the matrices.
#pragma once

#include <string>

#include "core/json.h"
#include "quant/artifact/manifest.h"

namespace sub1quant {

Json PtStats(const Manifest& manifest);
Json PtConfig(const Manifest& manifest);
Json PtWeightKeys(const Manifest& manifest);

}  // namespace sub1quant
