package patch
import ("testing";"time";"fmt";"context")
func TestProf(t *testing.T){
 files,text:=largePatch()
 for range 3 {
 dir:=t.TempDir(); writeTree(t,dir,files)
 a:=time.Now(); p,_:=Parse("x",[]byte(text)); b:=time.Now()
 tr,_:=OpenTree(dir); pl,err:=NewPlan(p,tr.File,Options{Strip:-1}); c:=time.Now(); if err!=nil{t.Fatal(err)}
 if err:=tr.Apply(context.Background(),pl);err!=nil{t.Fatal(err)}
 d:=time.Now()
 fmt.Println("parse",b.Sub(a),"plan",c.Sub(b),"apply",d.Sub(c)); tr.Close()
 }
}
