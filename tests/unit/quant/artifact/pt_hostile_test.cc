// Checkpoints that someone made to hurt: nothing is executed, nothing outside is read, every refusal names what it
// refuses.
#include <cstdio>
#include <random>

#include "core/file.h"
#include "gmock/gmock.h"
#include "golden_checkpoint.h"
#include "gtest/gtest.h"
#include "quant/artifact/pickle_reader.h"
#include "quant/artifact/pickle_writer.h"
#include "quant/artifact/pt.h"
#include "quant/artifact/pt_header.h"
#include "quant/artifact/zip_format.h"
#include "quant/artifact/zip_reader.h"
#include "quant/artifact/zip_writer.h"
#include "temporary_directory.h"

namespace sub1quant {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

std::string Pickle(const std::string& body) { return "\x80\x02" + body + "."; }
std::string Text(const std::string& text) {
  std::string out = "X";
  zip::Put<uint32_t>(&out, static_cast<uint32_t>(text.size()));
  return out + text;
}
std::string Long(char opcode, uint32_t value) {
  std::string out(1, opcode);
  zip::Put<uint32_t>(&out, value);
  return out;
}

void ExpectRefused(const std::string& pickle, const std::string& reason) {
  const absl::Status status = ReadPickle(pickle).status();
  EXPECT_FALSE(status.ok()) << reason;
  EXPECT_THAT(Message(status), HasSubstr(reason));
}

TEST(HostilePickle, ForeignGlobalsAreRefusedByName) {
  ExpectRefused(Pickle("cos\nsystem\n(" + Text("rm -rf /") + "tR"), "os.system");
  ExpectRefused(Pickle("cposix\nsystem\n"), "posix.system");
  ExpectRefused(Pickle("cbuiltins\neval\n"), "builtins.eval");
  ExpectRefused(Pickle("ctorch\nFloatStorage\n"), "torch.FloatStorage");
  ExpectRefused(Pickle("ctorch._utils\n_rebuild_parameter\n"), "torch._utils._rebuild_parameter");
  ExpectRefused(Pickle("ctorch._utils \n_rebuild_tensor_v2\n"), "refused");
  EXPECT_EQ(ReadPickle(Pickle("cos\nsystem\n")).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST(HostilePickle, OpcodesThatBuildObjectsAreRefused) {
  // STACK_GLOBAL, INST, OBJ, NEWOBJ, BUILD, EXT1, PERSID, STRING, POP, DUP
  for (const char* body : {"\x93", "ios\nsystem\n", "(o", "\x81", "}Nb", "\x82\x01", "Pid\n", "S'x'\n", "N0", "N2"})
    ExpectRefused(Pickle(body), "not allowed");
}

TEST(HostilePickle, StackAndMemoAreGuarded) {
  ExpectRefused(Pickle(""), "more or less than one value");
  ExpectRefused(Pickle("NN"), "more or less than one value");
  ExpectRefused(Pickle("(N"), "more or less than one value");
  ExpectRefused(Pickle("N") + "N", "follow");
  ExpectRefused("\x80\x02N", "too early");
  ExpectRefused("\x80\x04N.", "protocol 4");
  ExpectRefused(Pickle("h\x05"), "memo 5");
  ExpectRefused(Pickle(Long('j', 0xffffffff)), "memo 4294967295");
  ExpectRefused(Pickle("q\x01"), "more values");
  ExpectRefused(Pickle("t"), "mark");
  ExpectRefused(Pickle("\x86"), "more values");
  ExpectRefused(Pickle("N(\x85"), "more values");  // not from below a mark
  ExpectRefused(Pickle("N(u"), "no dict");
  ExpectRefused(Pickle("}Ns"), "more values");
  ExpectRefused(Pickle("}(Nu"), "no value");
  ExpectRefused(Pickle("}NNs"), "no string or integer");
  ExpectRefused(Pickle("R"), "more values");
  ExpectRefused(Pickle("N)R"), "no function");
  ExpectRefused(Pickle("ctorch\nByteStorage\n)R"), "cannot be called");
  ExpectRefused(Pickle("\x8a\x09" + std::string(9, '\1')), "8 bytes");
  ExpectRefused(Pickle("NQ"), "persistent id");
}

TEST(HostilePickle, SizesAreBelievedOnlyAsFarAsThereAreBytes) {
  ExpectRefused(Pickle(Long('X', 0xffffffff)), "runs over");
  ExpectRefused("\x80\x02X\x05", "too early");
  ExpectRefused(Pickle("cos" + std::string(100000, 'x')), "does not end");
  ExpectRefused(Pickle(Text("\xff\xfe")), "UTF-8");
  ExpectRefused(Pickle(Text("\xc0\x80")), "UTF-8");
  ExpectRefused(Pickle(Text("\xed\xa0\x80")), "UTF-8");
}

TEST(HostilePickle, DepthNumberAndSelfReferenceAreBounded) {
  ExpectRefused(Pickle(std::string(100000, ']') + std::string(99999, 'a')), "deeper than 32");
  ExpectRefused(Pickle("N" + std::string(100000, '\x85')), "deeper than 32");
  ExpectRefused(Pickle("]q\x01h\x01"
                       "a"),
                "changed after it was used");
  ExpectRefused(Pickle("]q\x01\x85h\x01Na0"), "changed after it was used");
  PickleLimits limits;
  limits.max_values = 1000;
  EXPECT_EQ(ReadPickle(Pickle("(" + std::string(2000, 'N') + "t"), limits).status().code(),
            absl::StatusCode::kResourceExhausted);
  limits.max_bytes = 10;
  EXPECT_EQ(ReadPickle(Pickle(std::string(20, 'N')), limits).status().code(), absl::StatusCode::kResourceExhausted);
}

// One level refers to the level below ten times; depth and values stay small, and so must the time.
TEST(HostilePickle, SharedValuesAreNotMultiplied) {
  std::string body = "]q" + std::string(1, '\0');
  for (char i = 1; i < 30; ++i)
    body += std::string("](") +
            [&] {
              std::string items;
              for (int k = 0; k < 10; ++k) items += std::string("h") + static_cast<char>(i - 1);
              return items;
            }() +
            "eq" + i;
  // The stack still holds all levels; wrap them.
  EXPECT_TRUE(ReadPickle("\x80\x02(" + body + "t.").ok());
}

std::string Storage(const std::string& type, int64_t elements) {
  PickleWriter id;
  id.Int(elements);
  const std::string number = id.Finish().substr(2);
  return "(" + Text("storage") + "ctorch\n" + type + "\n" + Text("0") + Text("cpu") +
         number.substr(0, number.size() - 1) + "tQ";
}

TEST(HostilePickle, TensorsMustBeContiguousAndInsideTheirStorage) {
  const auto tensor = [](const std::string& arguments) {
    return Pickle("ctorch._utils\n_rebuild_tensor_v2\n(" + Storage("ByteStorage", 6) + arguments +
                  "\x89"
                  "ccollections\nOrderedDict\n)RtR");
  };
  EXPECT_TRUE(ReadPickle(tensor("K\x01K\x05\x85K\x01\x85")).ok());
  ExpectRefused(tensor("K\x02K\x05\x85K\x01\x85"), "outside its storage");
  ExpectRefused(tensor(std::string("K\0K\x07\x85K\x01\x85", 8)), "outside its storage");
  ExpectRefused(tensor(std::string("K\0K\x03\x85K\x02\x85", 8)), "not contiguous");
  ExpectRefused(tensor(std::string("K\0K\x02K\x03\x86K\x01K\x02\x86", 12)), "not contiguous");
  ExpectRefused(tensor(std::string("J\xff\xff\xff\xffK\x05\x85K\x01\x85")), "offset");
  ExpectRefused(tensor(std::string("K\0", 2) + "J\xff\xff\xff\xff\x85K\x01\x85"), "shape");
  const std::string huge = std::string("\x8a\x06\0\0\0\0\x00\x40", 8);
  ExpectRefused(tensor(std::string("K\0", 2) + huge + huge + huge + "\x87" + huge + huge + huge + "\x87"), "tensor");
  ExpectRefused(Pickle(Storage("ByteStorage", -1)), "out of range");
  ExpectRefused(Pickle(Storage("ByteStorage", int64_t{1} << 60)), "out of range");
}

class HostileFile : public ::testing::Test {
 protected:
  absl::Status OpenBytes(const std::string& bytes) {
    EXPECT_TRUE(WriteFileAtomically(temporary_.File("x.pt"), bytes).ok());
    const auto file = PtFile::Open(temporary_.File("x.pt"));
    if (!file.ok()) return file.status();
    for (size_t i = 0; i < (*file)->manifest().tensors.size(); ++i) {
      const ManifestTensor& tensor = (*file)->manifest().tensors[i];
      const auto encoded = (*file)->Read(i);
      if (!encoded.ok()) return encoded.status();
      std::vector<float> values(static_cast<size_t>(tensor.params()));
      const absl::Status status = FindCodec(tensor.method)->Decode(*encoded, 0, tensor.rows, values.data());
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
  void ExpectFileRefused(const std::string& bytes, const std::string& reason) {
    const absl::Status status = OpenBytes(bytes);
    EXPECT_FALSE(status.ok()) << reason;
    EXPECT_THAT(Message(status), HasSubstr(reason));
  }
  // The golden file's entries again, after `change` of name → bytes.
  std::string Rebuilt(const std::function<void(std::map<std::string, std::string>&)>& change) {
    const ZipReader zip = ZipReader::Open(GoldenPath("pt-model.pt")).value();
    std::map<std::string, std::string> entries;
    for (const auto& [name, entry] : zip.entries()) {
      std::string bytes(entry.size, '\0');
      EXPECT_TRUE(zip.Read(name, entry, bytes.data()).ok());
      entries[name] = bytes;
    }
    change(entries);
    std::string out;
    ZipWriter writer([&](const void* data, size_t size) {
      out.append(static_cast<const char*>(data), size);
      return absl::OkStatus();
    });
    for (const auto& [name, bytes] : entries) EXPECT_TRUE(writer.Add(name, bytes.data(), bytes.size()).ok());
    EXPECT_TRUE(writer.Finish().ok());
    return out;
  }
  // Position of a string that must be there; the `last` one or the first.
  static size_t Find(const std::string& bytes, const std::string& what, bool last = false) {
    const size_t at = last ? bytes.rfind(what) : bytes.find(what);
    EXPECT_NE(at, std::string::npos);
    return at;
  }
  const std::string golden_ = ReadFile(GoldenPath("pt-model.pt")).value();
  TemporaryDirectory temporary_;
};

TEST_F(HostileFile, TheUnchangedOneIsAccepted) {
  EXPECT_TRUE(OpenBytes(golden_).ok());
  EXPECT_TRUE(OpenBytes(Rebuilt([](auto&) {})).ok());
}

TEST_F(HostileFile, EveryTruncationIsRefused) {
  for (size_t size = 0; size < golden_.size(); size += size < golden_.size() - 200 ? 501 : 1)
    EXPECT_FALSE(OpenBytes(golden_.substr(0, size)).ok()) << size;
  EXPECT_FALSE(OpenBytes(golden_ + "x").ok());
}

TEST_F(HostileFile, WrongChecksum) {
  std::string bytes = golden_;
  bytes[Find(bytes, "quantized")] ^= 1;
  ExpectFileRefused(bytes, "checksum");
  bytes = golden_;
  bytes[Find(bytes, "data/4FB") + 200] ^= 1;
  ExpectFileRefused(bytes, "checksum");
}

TEST_F(HostileFile, ZipRecordsThatLie) {
  const size_t record = Find(golden_, "pt-model/data/3", /*last=*/true) - zip::kCentralHeaderSize;
  const auto with = [&](size_t offset, const std::string& field) {
    std::string bytes = golden_;
    bytes.replace(record + offset, field.size(), field);
    return bytes;
  };
  ExpectFileRefused(with(10, std::string("\x08\0", 2)), "compressed");
  ExpectFileRefused(with(8, std::string("\x09\x08", 2)), "encrypted");
  ExpectFileRefused(with(20, std::string("\xff\xff\xff\x7f", 4)), "two sizes");
  ExpectFileRefused(with(20, std::string("\xff\xff\xff\x7f\xff\xff\xff\x7f", 8)), "outside the file");
  ExpectFileRefused(with(20, std::string("\xff\xff\xff\xff\xff\xff\xff\xff", 8)), "outside the file");
  ExpectFileRefused(with(20, std::string("\x00\x02\0\0\x00\x02\0\0", 8)), "overlap");
  ExpectFileRefused(with(20, std::string("\x10\0\0\0\x10\0\0\0", 8)), "storage needs");
  ExpectFileRefused(with(42, std::string("\xff\xff\xff\x7f", 4)), "outside the file");
  ExpectFileRefused(with(42, std::string("\0\0\0\0", 4)), "local header and directory differ");
  ExpectFileRefused(with(42, std::string("\1\0\0\0", 4)), "no local header");
  ExpectFileRefused(with(28, std::string("\xff\xff", 2)), "ends inside a record");
  ExpectFileRefused(with(0, "XXXX"), "no signature");

  const size_t end64 = golden_.size() - zip::kEndSize - zip::kEnd64LocatorSize - zip::kEnd64Size;
  std::string bytes = golden_;
  bytes.replace(end64 + 32, 8, std::string(8, '\xff'));
  ExpectFileRefused(bytes, "cannot hold");
  bytes = golden_;
  bytes.replace(end64 + 48, 8, std::string(8, '\xff'));
  ExpectFileRefused(bytes, "does not end where");
  bytes = golden_;
  bytes.replace(end64 + zip::kEnd64Size + 8, 8, std::string(8, '\xff'));
  ExpectFileRefused(bytes, "outside the file");
}

TEST_F(HostileFile, EntriesThatAreNotWhatThePickleSays) {
  ExpectFileRefused(Rebuilt([](auto& entries) { entries.erase("pt-model/data/7"); }), "no entry 'pt-model/data/7'");
  ExpectFileRefused(Rebuilt([](auto& entries) { entries.erase("pt-model/data.pkl"); }), "data.pkl");
  ExpectFileRefused(Rebuilt([](auto& entries) { entries["pt-model/data/7"] += "x"; }), "storage needs");
  ExpectFileRefused(Rebuilt([](auto& entries) { entries["pt-model/byteorder"] = "big"; }), "byteorder");
  ExpectFileRefused(Rebuilt([](auto& entries) {
                      entries["pt-model/data.pkl"] =
                          "\x80\x02"
                          "cos\nsystem\n.";
                    }),
                    "os.system");
}

TEST_F(HostileFile, IndicesAndCountsInTheArraysAreCheckedByTheCodec) {
  // data/8: outlier_indices, data/9: outlier_counts of entry 1; group size 128, 4 entries a group.
  ExpectFileRefused(Rebuilt([](auto& entries) { entries["pt-model/data/8"][0] = '\x80'; }), "outlier_indices");
  ExpectFileRefused(Rebuilt([](auto& entries) { entries["pt-model/data/9"][0] = '\x05'; }), "outlier_counts");
  ExpectFileRefused(Rebuilt([](auto& entries) { entries["pt-model/data/1"].replace(0, 2, std::string("\0\x7c", 2)); }),
                    "not finite");
}

// The golden pickle with numbers or words replaced by others of the same length.
TEST_F(HostileFile, EntriesThatContradictThemselves) {
  const auto replaced = [&](const std::string& from, const std::string& to) {
    return Rebuilt([&](auto& entries) {
      std::string& pickle = entries["pt-model/data.pkl"];
      pickle.replace(Find(pickle, from), from.size(), to);
    });
  };
  ExpectFileRefused(replaced("int2_binary_residual", "int2_binary_residuaX"), "format 'int2_binary_residuaX'");
  ExpectFileRefused(replaced("mixed_budget", "mixed_budgeX"), "mixed_budgeX");
  ExpectFileRefused(replaced("quantized", "quantizeX"), "quantized");
  ExpectFileRefused(replaced("base_count", "base_counX"), "base_count");
  ExpectFileRefused(replaced("padded_shape", "padded_shapX"), "padded_shape");
  // orig_shape 48 x 256 becomes 48 x 255: the padded shape stays right, the arrays too; 47 x 256 does not fit.
  ExpectFileRefused(replaced(std::string("(K\x30M\x00\x01", 6), std::string("(K\x2fM\x00\x01", 6)), "padded_shape");
}

// Random changes to pickle and file: whatever comes out, it comes out as a status. Replay: the printed seed.
TEST_F(HostileFile, RandomChanges) {
  const unsigned seed = 20261124;
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  std::string pickle;
  Rebuilt([&](auto& entries) { pickle = entries["pt-model/data.pkl"]; });
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = pickle;
    for (unsigned i = 0; i <= random() % 4; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    const auto root = ReadPickle(bytes);
    if (root.ok() && ReadPtHeader(**root).ok()) ++accepted;
  }
  std::printf("%d of 20000 pickles still name a checkpoint\n", accepted);
  for (int round = 0; round < 300; ++round) {
    std::string bytes = golden_;
    const size_t tail = 5000;
    for (unsigned i = 0; i <= random() % 3; ++i)
      bytes[bytes.size() - 1 - random() % tail] = static_cast<char>(random());
    OpenBytes(bytes).IgnoreError();
  }
}

}  // namespace
}  // namespace sub1quant
