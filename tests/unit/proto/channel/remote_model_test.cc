#include "proto/channel/remote_model.h"

#include "gtest/gtest.h"
#include "proto/channel/channel.h"
#include "tests/unit/proto/channel/blob_server.h"

namespace sub1quant {
namespace {

class RemoteModelTest : public ::testing::Test {
 protected:
  RemoteModelTest() {
    std::string bytes;
    while (bytes.size() < (size_t{5} << 19)) bytes += std::to_string(bytes.size());
    server_.model_files = {{"config.json", "{}"}, {"model.safetensors", bytes}};
  }
  testing::BlobServer server_;
  std::shared_ptr<grpc::Channel> channel_ = DialServer(server_.address());
};

TEST_F(RemoteModelTest, ListsAndReads) {
  const std::unique_ptr<ModelSource> model = NewRemoteModel(channel_, {"r", "p"});
  const auto files = model->List();
  ASSERT_TRUE(files.ok()) << files.status();
  ASSERT_EQ(files->size(), 2u);
  const std::string& bytes = server_.model_files["model.safetensors"];
  EXPECT_EQ(files->at(1).name, "model.safetensors");
  EXPECT_EQ(files->at(1).size, bytes.size());
  EXPECT_EQ(files->at(1).identity, "identity of model.safetensors");
  std::string read(bytes.size() - 100, '\0');
  ASSERT_TRUE(model->Read("model.safetensors", 100, read.data(), read.size()).ok());
  EXPECT_EQ(read, bytes.substr(100));
  EXPECT_TRUE(model->Read("model.safetensors", 0, read.data(), 0).ok());
  EXPECT_EQ(model->LocalPath("config.json"), "");
  EXPECT_EQ(ReadModelFile(*model, "config.json", 100).value(), "{}");
  EXPECT_FALSE(server_.metadata_missing);
  EXPECT_FALSE(server_.deadline_missing);
}

TEST_F(RemoteModelTest, GoesOnWhereItBroke) {
  server_.break_streams = 2;
  const std::string& bytes = server_.model_files["model.safetensors"];
  std::string read(bytes.size(), '\0');
  ASSERT_TRUE(NewRemoteModel(channel_, {"r", "p"})->Read("model.safetensors", 0, read.data(), read.size()).ok());
  EXPECT_EQ(read, bytes);
}

TEST_F(RemoteModelTest, NeverWritesPastTheBuffer) {
  server_.extra_bytes = 4096;
  std::string read(64, '!');
  EXPECT_TRUE(absl::IsDataLoss(NewRemoteModel(channel_, {"r", "p"})->Read("model.safetensors", 0, read.data(), 32)));
  EXPECT_EQ(read, std::string(64, '!'));
}

TEST_F(RemoteModelTest, NamesWhatIsNotThere) {
  EXPECT_TRUE(absl::IsNotFound(NewRemoteModel(channel_, {"other", "p"})->List().status()));
  char byte = 0;
  EXPECT_TRUE(absl::IsNotFound(NewRemoteModel(channel_, {"r", "p"})->Read("absent", 0, &byte, 1)));
}

}  // namespace
}  // namespace sub1quant
