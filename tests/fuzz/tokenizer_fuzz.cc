// Input: a tokenizer.json. What is accepted encodes any text into ids of its vocabulary, and decodes them.
#include <cstdint>
#include <string>

#include "core/check.h"
#include "quant/eval/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto tokenizer = sub1quant::Tokenizer::Parse(std::string(reinterpret_cast<const char*>(data), size));
  if (!tokenizer.ok()) return 0;
  SUB1QUANT_CHECK((*tokenizer)->bos_id() >= 0 && (*tokenizer)->bos_id() < (*tokenizer)->vocab_size());
  for (const char* text : {"", "a", "the cat  sat\n<bos>on <eos>", "\xE2\x96\x81\xC3\xA9 \xF0\x9F\x98\x80\t  "}) {
    const auto ids = (*tokenizer)->Encode(text);
    SUB1QUANT_CHECK(ids.ok());
    for (const int32_t id : *ids) SUB1QUANT_CHECK(id >= 0 && id < (*tokenizer)->vocab_size());
    (*tokenizer)->Decode(*ids);
  }
  return 0;
}
