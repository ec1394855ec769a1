// Writes what a checkpoint needs of pickle protocol 2, as torch.save does: dicts, lists, scalars, and tensors by
// persistent id. Strings and globals are remembered and referred to, so a key costs its letters once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/json.h"
#include "quant/model/tensor.h"

namespace sub1quant {

class PickleWriter {
 public:
  PickleWriter();

  // A dict is Begin, key and value alternating, End; a list is Begin, values, End.
  void BeginDict();
  void EndDict();
  void BeginList();
  void EndList();
  void String(const std::string& text);
  void Int(int64_t value);
  void Float(double value);
  void Bool(bool value);
  void None();
  // A whole JSON value: objects become dicts in their order, integers and floating numbers keep their kind.
  void Value(const Json& json);
  // A contiguous CPU tensor (kU8 or kF16) that is all of storage `storage`.
  void Tensor(DType dtype, const std::vector<int64_t>& shape, const std::string& storage);

  // The pickle; call once, last.
  std::string Finish();

 private:
  void Byte(uint8_t value) { out_ += static_cast<char>(value); }
  void Little(uint64_t value, int bytes);
  // True if `what` was written before and is now referred to; otherwise write it, then Remember().
  bool Recall(const std::string& what);
  void Remember(const std::string& what);
  void Global(const std::string& module, const std::string& name);
  void IntTuple(const std::vector<int64_t>& values);

  std::string out_;
  std::map<std::string, uint32_t> memo_;
};

}  // namespace sub1quant
