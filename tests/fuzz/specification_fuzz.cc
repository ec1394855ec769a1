// Input: the JSON of a job specification. What is accepted and valid is written and read again as the same, and its
// patterns match a key in no time.
#include <cstdint>
#include <string>

#include "core/check.h"
#include "core/json.h"
#include "quant/plan/key_pattern.h"
#include "quant/plan/specification.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto json = sub1quant::ParseJson(std::string(reinterpret_cast<const char*>(data), size));
  if (!json.ok()) return 0;
  const auto specification = sub1quant::SpecificationFromJson(*json);
  if (!specification.ok() || !Validate(*specification).ok()) return 0;
  for (const std::string& regex : specification->excludes)
    sub1quant::KeyPattern::Compile(regex)->Matches("model.language_model.layers.0.self_attn.q_proj.weight");
  const auto again = sub1quant::ParseJson(sub1quant::DumpJson(ToJson(*specification)));
  SUB1QUANT_CHECK(again.ok());
  const auto back = sub1quant::SpecificationFromJson(*again);
  SUB1QUANT_CHECK(back.ok() && *back == *specification);
  return 0;
}
