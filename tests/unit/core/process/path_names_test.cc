#include "core/process/path_names.h"

#include "gtest/gtest.h"

namespace sub1quant {
namespace {

PathNames Names() {
  PathNames names;
  names.Add("/srv", "all");
  names.Add("/srv/models/", "models");
  names.Add("/var/lib/sub1quant", "data");
  return names;
}

TEST(PathNames, TheLongestDirectoryIsShownByItsName) {
  const PathNames names = Names();
  EXPECT_EQ(names.Shown("/srv/models/a/config.json: gone"), "models/a/config.json: gone");
  EXPECT_EQ(names.Shown("read /srv/models: denied"), "read models: denied");
  EXPECT_EQ(names.Shown("/srv/other/x"), "all/other/x");
  EXPECT_EQ(names.Shown("a '/srv/models' and (/var/lib/sub1quant/store.db), \"/srv/models/b\""),
            "a 'models' and (data/store.db), \"models/b\"");
  EXPECT_EQ(names.Shown("no such directory: /srv/models."), "no such directory: models.");
}

TEST(PathNames, OtherPathsAndWordsStay) {
  const PathNames names = Names();
  for (const char* message : {"/srv2/models", "/home/srv/models", "/var/lib/sub1quant2/x", "/var/lib/sub1quant.old",
                              "srv", "", "/", "https://host/srv/x", "100% of {braces}"})
    EXPECT_EQ(names.Shown(message), message);
}

TEST(PathNames, TheWholeFileSystemHidesNothing) {
  PathNames names;
  names.Add("/", "root");
  names.Add("", "none");
  EXPECT_EQ(names.Shown("/etc/x: denied"), "/etc/x: denied");
}

}  // namespace
}  // namespace sub1quant
