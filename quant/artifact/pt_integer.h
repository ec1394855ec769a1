// int4 and int2 in entries that readers of the published layout know (docs/formats.md §9): int4 as groupwise_int4, the
// same bytes; int2 as int2_base without residual, codes and scales negated. Both decode to the same values.
#pragma once

#include <string>

#include "quant/codec/codec.h"

namespace sub1quant {

// The method whose entry holds a matrix of `method`: the method itself but for int4 and int2.
std::string EntryMethod(const std::string& method);

// Turns a matrix of any method into one of EntryMethod(its method).
void ToEntryMethod(EncodedMatrix* encoded);
// The way back: `encoded` is of EntryMethod(method), its arrays have the shapes of that.
void FromEntryMethod(const std::string& method, EncodedMatrix* encoded);

}  // namespace sub1quant
