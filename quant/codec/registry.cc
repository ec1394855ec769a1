#include "quant/codec/codec.h"
#include "quant/codec/family.h"
#include "quant/codec/int2_group/int2_family.h"
#include "quant/codec/int4_group/int4_family.h"
#include "quant/codec/integer_group/integer_codec.h"
#include "quant/codec/integer_group/integer_family.h"
#include "quant/codec/integer_group/integer_group.h"

namespace sub1quant {

const std::vector<const Family*>& Families() {
  static const std::vector<const Family*> families = {&Int2Family(), &Int4Family(), &IntegerFamily()};
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

const std::vector<std::string>& IntegerMethods() {
  static const std::vector<std::string> methods = [] {
    std::vector<std::string> names;
    for (int bits : IntegerWidths()) names.push_back(IntegerMethod(bits));
    return names;
  }();
  return methods;
}

const std::vector<std::string>& KnownMethods() {
  static const std::vector<std::string> methods = [] {
    std::vector<std::string> names = PublishedMethods();
    names.insert(names.end(), IntegerMethods().begin(), IntegerMethods().end());
    return names;
  }();
  return methods;
}

}  // namespace sub1quant
