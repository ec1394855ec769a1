#include <fstream>
#include <iterator>
#include <limits>

#include "proto/channel/remote_blobs.h"
#include "proto/channel/remote_model.h"
#include "tests/unit/server/services/fixture.h"

namespace sub1quant {
namespace {

using absl::StatusCode;

class BlobServiceTest : public ServiceTest {
 protected:
  // Sent as these messages; "" as `expected` announces nothing.
  absl::StatusOr<v1::PutBlobResponse> Put(const std::vector<std::string>& chunks, const std::string& expected) {
    const auto call = NewCall(kTimeout);
    v1::PutBlobResponse response;
    const auto writer = bytes_->PutBlob(call.get(), &response);
    bool first = true;
    for (const std::string& chunk : chunks) {
      v1::PutBlobRequest request;
      if (first) request.set_expected_sha256(expected);
      request.set_data(chunk);
      first = false;
      if (!writer->Write(request)) break;  // the server has answered already
    }
    writer->WritesDone();
    const absl::Status status = FromGrpc(writer->Finish());
    if (!status.ok()) return status;
    return response;
  }
  template <typename Reader, typename Response>
  absl::StatusOr<std::string> Drain(Reader& reader, Response response) {
    std::string bytes;
    while (reader.Read(&response)) {
      EXPECT_LE(response.data().size(), size_t{1} << 20);
      bytes += response.data();
    }
    const absl::Status status = FromGrpc(reader.Finish());
    if (!status.ok()) return status;
    return bytes;
  }
  absl::StatusOr<std::string> Get(const std::string& sha256, uint64_t offset, uint64_t size) {
    v1::GetBlobRequest request;
    request.set_sha256(sha256);
    request.set_offset(offset);
    request.set_size(size);
    const auto call = NewCall(kTimeout);
    return Drain(*bytes_->GetBlob(call.get(), request), v1::GetBlobResponse());
  }
  absl::StatusOr<v1::StatBlobResponse> Stat(const std::string& sha256) {
    v1::StatBlobRequest request;
    request.set_sha256(sha256);
    return CallUnary(*bytes_, &v1::BlobService::Stub::StatBlob, request, kTimeout);
  }
  absl::StatusOr<std::string> ReadModel(const std::string& file, uint64_t offset, uint64_t size,
                                        const ModelReference& model = {"models", "gemma4-tiny"}) {
    v1::ReadModelRangeRequest request;
    *request.mutable_model() = ToProto(model);
    request.set_file(file);
    request.set_offset(offset);
    request.set_size(size);
    const auto call = NewCall(kTimeout);
    return Drain(*bytes_->ReadModelRange(call.get(), request), v1::ReadModelRangeResponse());
  }
  static std::string FileBytes(const std::string& name) {
    std::ifstream in(std::string(SUB1QUANT_TESTDATA "/gemma4-tiny/") + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Not a multiple of the chunk, and no two chunks alike.
  static std::string SomeBytes() {
    std::string bytes((size_t{5} << 19) + 7, '\0');
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>((i * 2654435761u) >> 13);
    return bytes;
  }
};

TEST_F(BlobServiceTest, WhatIsPutIsWhatIsRead) {
  const std::string bytes = SomeBytes();
  const std::string sha256 = Sha256Hex(bytes);
  const auto put = Put({bytes.substr(0, 1000), "", bytes.substr(1000)}, sha256);
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(put->sha256(), sha256);
  EXPECT_EQ(put->size(), bytes.size());
  EXPECT_EQ(Stat(sha256)->size(), bytes.size());
  EXPECT_TRUE(Get(sha256, 0, 0).value() == bytes);
  EXPECT_TRUE(Get(sha256, 17, 0).value() == bytes.substr(17));
  EXPECT_TRUE(Get(sha256, (1 << 20) - 3, (1 << 20) + 5).value() == bytes.substr((1 << 20) - 3, (1 << 20) + 5));
  EXPECT_EQ(Get(sha256, bytes.size() - 1, 1).value(), bytes.substr(bytes.size() - 1));
  EXPECT_EQ(Get(sha256, bytes.size(), 0).value(), "");
}

TEST_F(BlobServiceTest, TheProgramsOwnClientReadsAndWrites) {
  const auto remote = NewRemoteBlobStore(channel_, {nullptr, directory_});
  const std::string bytes = SomeBytes();
  const std::string sha256 = PutBlob(*remote, bytes).value();
  EXPECT_EQ(blobs_->Size(sha256).value(), bytes.size());
  EXPECT_TRUE(remote->Get(sha256).value() == bytes);
  EXPECT_EQ(remote->Get(Sha256Hex("other")).status().code(), StatusCode::kNotFound);
}

TEST_F(BlobServiceTest, AnEmptyBlobIsABlob) {
  EXPECT_EQ(Put({""}, "")->sha256(), Sha256Hex(""));
  EXPECT_EQ(Get(Sha256Hex(""), 0, 0).value(), "");
  EXPECT_THAT(Put({}, "").status(), Refused(StatusCode::kInvalidArgument, "without a message"));
}

TEST_F(BlobServiceTest, RangesBeyondTheEndAreRefused) {
  const std::string sha256 = Put({"0123456789"}, "")->sha256();
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  EXPECT_EQ(Get(sha256, 11, 0).status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(Get(sha256, 0, 11).status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(Get(sha256, 5, 6).status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(Get(sha256, 5, kMax).status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(Get(sha256, kMax, 2).status().code(), StatusCode::kOutOfRange);
}

TEST_F(BlobServiceTest, BytesThatAreNotWhatWasAnnouncedBecomeNoBlob) {
  const std::string announced = Sha256Hex("what was announced");
  const std::string sent = "what was sent";
  const absl::Status status = Put({sent}, announced).status();
  EXPECT_THAT(status, Refused(StatusCode::kDataLoss, announced));
  EXPECT_THAT(status, Refused(StatusCode::kDataLoss, Sha256Hex(sent)));
  EXPECT_EQ(Stat(announced).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Stat(Sha256Hex(sent)).status().code(), StatusCode::kNotFound);
  EXPECT_TRUE(std::filesystem::is_empty(directory_ + "/blobs/tmp"));
}

TEST_F(BlobServiceTest, ABlobThatIsThereIsAnsweredAtOnce) {
  const std::string sha256 = Put({"there"}, "")->sha256();
  const auto again = Put({"not looked at"}, sha256);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->sha256(), sha256);
  EXPECT_EQ(again->size(), 5u);
  EXPECT_EQ(Get(sha256, 0, 0).value(), "there");
}

TEST_F(BlobServiceTest, WhatIsNoDigestIsRefused) {
  for (const std::string& name :
       {std::string(), std::string("../store/store.db"), std::string(64, 'A'), std::string(64, '.'),
        std::string(63, 'a'), std::string(65, 'a'), std::string(63, 'a') + std::string(1, '\0')}) {
    EXPECT_THAT(Stat(name).status(), Refused(StatusCode::kInvalidArgument, "sha256")) << name;
    EXPECT_THAT(Get(name, 0, 0).status(), Refused(StatusCode::kInvalidArgument, "sha256")) << name;
    if (name.empty()) continue;  // announces nothing
    EXPECT_EQ(Put({"x"}, name).status().code(), StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(Get(std::string(64, 'a'), 0, 0).status().code(), StatusCode::kNotFound);
}

TEST_F(BlobServiceTest, AModelIsReadInRanges) {
  const auto model = NewRemoteModel(channel_, {"models", "gemma4-tiny"});
  const auto files = model->List();
  ASSERT_TRUE(files.ok()) << files.status();
  std::vector<std::string> names;
  for (const ModelSource::File& file : *files) {
    names.push_back(file.name);
    EXPECT_EQ(file.size, FileBytes(file.name).size()) << file.name;
    EXPECT_NE(file.identity, "");
  }
  EXPECT_THAT(names, ::testing::IsSupersetOf({"config.json", "model.safetensors", "tokenizer.json"}));
  const std::string bytes = FileBytes("model.safetensors");
  EXPECT_TRUE(ReadModel("model.safetensors", 0, bytes.size()).value() == bytes);
  EXPECT_TRUE(ReadModel("model.safetensors", 100, 1000).value() == bytes.substr(100, 1000));
  EXPECT_EQ(ReadModel("model.safetensors", 100, 0).value(), "");
}

TEST_F(BlobServiceTest, ModelRangesBeyondTheEndAreRefused) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  const uint64_t size = FileBytes("config.json").size();
  const std::vector<std::pair<uint64_t, uint64_t>> ranges = {{size, 1},          {0, size + 1},       {size - 1, 2},
                                                             {kMax, 1},          {1, kMax},           {kMax / 2 + 1, 1},
                                                             {kMax / 2 - 5, 10}, {kMax / 2, kMax / 2}};
  for (const auto& [offset, count] : ranges)
    EXPECT_EQ(ReadModel("config.json", offset, count).status().code(), StatusCode::kOutOfRange)
        << offset << " " << count;
}

TEST_F(BlobServiceTest, ModelsAndFilesOutsideAreRefused) {
  EXPECT_THAT(ReadModel("config.json", 0, 1, {"elsewhere", "gemma4-tiny"}).status(),
              Refused(StatusCode::kInvalidArgument, "(models, other)"));
  for (const std::string& path : {std::string(".."), std::string("/etc"), std::string("gemma4-tiny\0", 12)})
    EXPECT_EQ(ReadModel("config.json", 0, 1, {"models", path}).status().code(), StatusCode::kInvalidArgument) << path;
  for (const std::string& file : {std::string("../README.md"), std::string(SUB1QUANT_TESTDATA "/README.md"),
                                  std::string("."), std::string(".."), std::string(), std::string("config.json\0", 12)})
    EXPECT_FALSE(ReadModel(file, 0, 1).ok()) << file;
  EXPECT_EQ(ReadModel("no-such-file", 0, 1).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace sub1quant
