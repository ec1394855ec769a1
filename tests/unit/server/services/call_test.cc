// What every call must carry: a deadline and the protocol's version. Every method of every service is asked, so that
// one without the check is found.
#include <functional>

#include "tests/unit/server/services/fixture.h"

namespace sub1quant {
namespace {

using AnyCall = std::function<grpc::Status(grpc::ClientContext*)>;

template <typename Stub, typename Request, typename Response>
AnyCall Unary(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*)) {
  return [&stub, method](grpc::ClientContext* context) {
    Response response;
    return (stub.*method)(context, Request(), &response);
  };
}

template <typename Stub, typename Request, typename Response>
AnyCall Reading(Stub& stub,
                std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(grpc::ClientContext*, const Request&)) {
  return [&stub, method](grpc::ClientContext* context) {
    const auto reader = (stub.*method)(context, Request());
    Response response;
    while (reader->Read(&response)) {
    }
    return reader->Finish();
  };
}

class CallTest : public ServiceTest {
 protected:
  std::map<std::string, AnyCall> AllMethods() {
    using Jobs = v1::JobService::Stub;
    using Workers = v1::WorkerService::Stub;
    using Blobs = v1::BlobService::Stub;
    return {{"SubmitJob", Unary(*jobs_, &Jobs::SubmitJob)},
            {"GetJob", Unary(*jobs_, &Jobs::GetJob)},
            {"ListJobs", Unary(*jobs_, &Jobs::ListJobs)},
            {"WatchJob", Reading(*jobs_, &Jobs::WatchJob)},
            {"CancelJob", Unary(*jobs_, &Jobs::CancelJob)},
            {"DeleteJob", Unary(*jobs_, &Jobs::DeleteJob)},
            {"GetServerInfo", Unary(*jobs_, &Jobs::GetServerInfo)},
            {"ListWorkers", Unary(*jobs_, &Jobs::ListWorkers)},
            {"DrainWorker", Unary(*jobs_, &Jobs::DrainWorker)},
            {"Acquire", Unary(*workers_, &Workers::Acquire)},
            {"Renew", Unary(*workers_, &Workers::Renew)},
            {"Complete", Unary(*workers_, &Workers::Complete)},
            {"Fail", Unary(*workers_, &Workers::Fail)},
            {"Release", Unary(*workers_, &Workers::Release)},
            {"StatBlob", Unary(*bytes_, &Blobs::StatBlob)},
            {"GetBlob", Reading(*bytes_, &Blobs::GetBlob)},
            {"PutBlob",
             [this](grpc::ClientContext* context) {
               v1::PutBlobResponse response;
               const auto writer = bytes_->PutBlob(context, &response);
               writer->WritesDone();
               return writer->Finish();
             }},
            {"ListModelFiles", Unary(*bytes_, &Blobs::ListModelFiles)},
            {"ReadModelRange", Reading(*bytes_, &Blobs::ReadModelRange)}};
  }
  static int MethodCount() {
    int count = 0;
    for (const char* service : {"JobService", "WorkerService", "BlobService"})
      count += google::protobuf::DescriptorPool::generated_pool()
                   ->FindServiceByName(std::string("sub1quant.v1.") + service)
                   ->method_count();
    return count;
  }
};

TEST_F(CallTest, WithoutADeadlineIsRefused) {
  ASSERT_EQ(static_cast<int>(AllMethods().size()), MethodCount());
  for (const auto& [name, call] : AllMethods()) {
    grpc::ClientContext context;
    context.AddMetadata(kProtocolMetadataKey, kProtocolVersion);
    EXPECT_THAT(FromGrpc(call(&context)), Refused(absl::StatusCode::kInvalidArgument, "no deadline")) << name;
  }
}

TEST_F(CallTest, OfAnotherProtocolIsRefusedNamingBoth) {
  for (const auto& [name, call] : AllMethods()) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kTimeout);
    context.AddMetadata(kProtocolMetadataKey, "17");
    EXPECT_THAT(FromGrpc(call(&context)),
                Refused(absl::StatusCode::kFailedPrecondition, "this server speaks 1, the call says 17"))
        << name;
  }
}

TEST_F(CallTest, WithoutAProtocolIsRefusedNamingOurs) {
  for (const auto& [name, call] : AllMethods()) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kTimeout);
    EXPECT_THAT(FromGrpc(call(&context)),
                Refused(absl::StatusCode::kFailedPrecondition, "this server speaks 1, the call says none"))
        << name;
  }
}

TEST_F(CallTest, WithBothIsAnswered) {
  const auto info =
      CallUnary(*jobs_, &v1::JobService::Stub::GetServerInfo, v1::GetServerInfoRequest(), kTimeout).value();
  EXPECT_THAT(info.model_roots(), ::testing::ElementsAre("models", "other"));
  EXPECT_NE(info.version(), "");
}

}  // namespace
}  // namespace sub1quant
