// Input: a manifest.json. What is accepted is written and read again as the same manifest.
#include <cstdint>
#include <string>

#include "core/check.h"
#include "quant/artifact/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto manifest = sub1quant::ManifestFromJson(std::string(reinterpret_cast<const char*>(data), size));
  if (!manifest.ok()) return 0;
  const std::string text = ManifestToJson(*manifest);
  const auto again = sub1quant::ManifestFromJson(text);
  SUB1QUANT_CHECK(again.ok());
  SUB1QUANT_CHECK(ManifestToJson(*again) == text);
  TotalsOf(manifest->tensors, manifest->kept);
  return 0;
}
