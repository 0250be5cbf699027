module ovzpatch

go 1.26
