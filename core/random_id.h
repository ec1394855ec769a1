// 128 random bits as 32 hexadecimal characters: lease, job and request ids. A lease id is a secret: never log it.
#pragma once

#include <memory>
#include <string>

namespace sub1quant {

// Thread-safe.
class IdGenerator {
 public:
  virtual ~IdGenerator() = default;
  virtual std::string NewId() = 0;
};

std::unique_ptr<IdGenerator> NewRandomIdGenerator();

}  // namespace sub1quant
