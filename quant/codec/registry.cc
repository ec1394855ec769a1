#include "quant/codec/codec.h"
#include "quant/codec/family.h"
#include "quant/codec/int2_group/int2_family.h"
#include "quant/codec/int4_group/int4_family.h"

namespace sub1quant {

const std::vector<const Family*>& Families() {
  static const std::vector<const Family*> families = {&Int2Family(), &Int4Family()};
  return families;
}

const Codec* FindCodec(const std::string& method) {
  for (const Family* family : Families())
    if (const Codec* codec = family->Find(method)) return codec;
  return nullptr;
}

const std::vector<std::string>& PublishedMethods() {
  static const std::vector<std::string> methods = {"int2_base", "int2_binary_residual", "int2_error_budget_k4",
                                                   "int2_error_budget_k8", "groupwise_int4"};
  return methods;
}

const std::vector<std::string>& KnownMethods() { return PublishedMethods(); }

}  // namespace sub1quant
