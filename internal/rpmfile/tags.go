// SPDX-License-Identifier: Apache-2.0

package rpmfile

// Tag numbers an entry of a header. The names are rpm's own.
type Tag int32

// Tags of the main header that this package or its callers read.
const (
	TagName              Tag = 1000
	TagVersion           Tag = 1001
	TagRelease           Tag = 1002
	TagEpoch             Tag = 1003
	TagSummary           Tag = 1004
	TagDescription       Tag = 1005
	TagBuildTime         Tag = 1006
	TagBuildHost         Tag = 1007
	TagSize              Tag = 1009
	TagVendor            Tag = 1011
	TagLicense           Tag = 1014
	TagSource            Tag = 1018
	TagPatch             Tag = 1019
	TagURL               Tag = 1020
	TagOS                Tag = 1021
	TagArch              Tag = 1022
	TagSourceRPM         Tag = 1044
	TagArchiveSize       Tag = 1046
	TagExclusiveArch     Tag = 1061
	TagRPMVersion        Tag = 1064
	TagChangelogTime     Tag = 1080
	TagChangelogName     Tag = 1081
	TagChangelogText     Tag = 1082
	TagSourcePackage     Tag = 1106
	TagPayloadFormat     Tag = 1124
	TagSourcePackageID   Tag = 1146
	TagPayloadCompressor Tag = 1125
	TagLongArchiveSize   Tag = 271
	TagSpec              Tag = 5099
	TagRPMFormat         Tag = 5114

	tagProvideName    Tag = 1047
	tagRequireFlags   Tag = 1048
	tagRequireName    Tag = 1049
	tagRequireVersion Tag = 1050
	tagConflictFlags  Tag = 1053
	tagConflictName   Tag = 1054
	tagConflictVer    Tag = 1055
	tagObsoleteName   Tag = 1090
	tagProvideFlags   Tag = 1112
	tagProvideVersion Tag = 1113
	tagObsoleteFlags  Tag = 1114
	tagObsoleteVer    Tag = 1115

	tagOldFilenames   Tag = 1027
	tagFileSizes      Tag = 1028
	tagFileModes      Tag = 1030
	tagFileRdevs      Tag = 1033
	tagFileMtimes     Tag = 1034
	tagFileDigests    Tag = 1035
	tagFileLinktos    Tag = 1036
	tagFileFlags      Tag = 1037
	tagFileUsers      Tag = 1039
	tagFileGroups     Tag = 1040
	tagFileDevices    Tag = 1095
	tagFileInodes     Tag = 1096
	tagDirIndexes     Tag = 1116
	tagBaseNames      Tag = 1117
	tagDirNames       Tag = 1118
	tagLongFileSizes  Tag = 5008
	tagFileDigestAlgo Tag = 5011

	tagPayloadSHA256      Tag = 5092
	tagPayloadDigestAlgo  Tag = 5093
	tagPayloadSHA256Alt   Tag = 5097
	tagPayloadSize        Tag = 5112
	tagPayloadSizeAlt     Tag = 5113
	tagPayloadSHA512      Tag = 5121
	tagPayloadSHA512Alt   Tag = 5122
	tagPayloadSHA3_256    Tag = 5123
	tagPayloadSHA3_256Alt Tag = 5124
)

// Tags of the regions: a header's first entry says that the header is one piece.
const (
	tagHeaderImage      Tag = 61
	tagHeaderSignatures Tag = 62
	tagHeaderImmutable  Tag = 63
)

// Tags of the signature header. Some of their numbers mean something else in the main header.
const (
	sigBadSHA1_1       Tag = 264
	sigBadSHA1_2       Tag = 265
	sigDSA             Tag = 267
	sigRSA             Tag = 268
	sigSHA1            Tag = 269
	sigLongSize        Tag = 270
	sigLongArchiveSize Tag = 271
	sigSHA256          Tag = 273
	sigFileSignatures  Tag = 274
	sigFileSigLength   Tag = 275
	sigVeritySigs      Tag = 276
	sigVerityAlgo      Tag = 277
	sigOpenPGP         Tag = 278
	sigSHA3_256        Tag = 279
	sigReserved        Tag = 999
	sigSize            Tag = 1000
	sigLEMD5_1         Tag = 1001
	sigPGP             Tag = 1002
	sigLEMD5_2         Tag = 1003
	sigMD5             Tag = 1004
	sigGPG             Tag = 1005
	sigPGP5            Tag = 1006
	sigPayloadSize     Tag = 1007
	sigReservedSpace   Tag = 1008
)

// Types of header entries.
const (
	typeChar        = 1
	typeInt8        = 2
	typeInt16       = 3
	typeInt32       = 4
	typeInt64       = 5
	typeString      = 6
	typeBin         = 7
	typeStringArray = 8
	typeI18NString  = 9
)
