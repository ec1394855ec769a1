#include "worker/executors/tensor_digests.h"

#include "core/digest.h"
#include "core/file.h"
#include "tests/unit/worker/executors/fixture.h"
#include "worker/executors/search.h"

namespace sub1quant::testing {
namespace {

class Digests : public ExecutorTest {
 protected:
  const std::string file_ = directory_ + "/tensor-digests";
  const std::string a_ = Sha256Hex("a"), b_ = Sha256Hex("b");
};

TEST_F(Digests, AreKeptByFileVersionAndPlace) {
  {
    const auto digests = TensorDigests::Open(file_).value();
    digests->Remember("1:2:3:4:5", 100, 8, a_);
    digests->Remember("1:2:3:4:5", 108, 8, b_);
  }
  const auto digests = TensorDigests::Open(file_).value();
  EXPECT_EQ(digests->Find("1:2:3:4:5", 100, 8), a_);
  EXPECT_EQ(digests->Find("1:2:3:4:5", 108, 8), b_);
  EXPECT_EQ(digests->Find("1:2:3:4:6", 100, 8), std::nullopt) << "another version";
  EXPECT_EQ(digests->Find("1:2:3:4:5", 100, 16), std::nullopt);
}

// A crash cut a line; a later process appends behind it.
TEST_F(Digests, ACutLineIsPassedOverAndSwallowsNoOther) {
  const std::string line = "1:2:3:4:5 100 8 " + a_;
  for (size_t cut = 1; cut < line.size(); ++cut) {
    ASSERT_TRUE(WriteFileAtomically(file_, line.substr(0, cut)).ok());
    TensorDigests::Open(file_).value()->Remember("1:2:3:4:5", 108, 8, b_);
    const auto digests = TensorDigests::Open(file_).value();
    EXPECT_EQ(digests->Find("1:2:3:4:5", 108, 8), b_) << cut;
    EXPECT_EQ(digests->Find("1:2:3:4:5", 100, 8), std::nullopt) << cut;
  }
}

TEST_F(Digests, RubbishIsPassedOver) {
  ASSERT_TRUE(WriteFileAtomically(file_, std::string("\0\xff \n\n a b c d\n1 2 3 4\n", 22)).ok());
  const auto digests = TensorDigests::Open(file_).value();
  digests->Remember("with space", 0, 1, a_);
  digests->Remember("with\nline", 0, 1, a_);
  digests->Remember("", 0, 1, a_);
  EXPECT_EQ(digests->Find("", 0, 1), std::nullopt);
  EXPECT_EQ(TensorDigests::Open(file_).value()->Find("with", 0, 1), std::nullopt);
}

TEST_F(Digests, AFileThatCannotBeWrittenIsAnError) {
  EXPECT_FALSE(TensorDigests::Open(directory_).ok());
  EXPECT_FALSE(TensorDigests::Open(directory_ + "/none/digests").ok());
}

// What was planted is believed: the bytes were not hashed. Once the file is another version, they are.
TEST_F(Digests, TheLoaderHashesATensorOncePerVersionOfItsFile) {
  const TensorRecord& tensor = Tensor(kSquare);
  const std::string real = Sha256Hex(BytesOf(tensor));
  digests_.Remember(Identity(), tensor.offset, tensor.bytes, a_);
  TaskContext context;
  EXPECT_EQ(tensors_.Open(source_, tensor, Identity(), context)->sha256(), a_);
  EXPECT_EQ(tensors_.Open(source_, tensor, "", context)->sha256(), a_);
  const std::string path = directory_ + "/model/model.safetensors";
  ASSERT_TRUE(WriteFileAtomically(path, ReadFile(path).value()).ok());
  EXPECT_EQ(tensors_.Open(source_, tensor, "", context)->sha256(), real);
  const std::string identity = ReadInventory(*source_)->files.front().identity;
  EXPECT_EQ(digests_.Find(identity, tensor.offset, tensor.bytes), real);
}

}  // namespace
}  // namespace sub1quant::testing
