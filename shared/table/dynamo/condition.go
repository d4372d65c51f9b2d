package dynamo

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"portcullis.example/shared/table"
)

// expression is a condition, or an update with one, in DynamoDB's language.
type expression struct {
	update, condition *string
	names             map[string]string
	values            attributes
}

// An expired item is an absent one, in conditions as in reads.
const (
	isLiving = "(attribute_not_exists(#e) OR #e > :now)"
	isThere  = "attribute_exists(#p) AND " + isLiving
	isAbsent = "(attribute_not_exists(#p) OR #e <= :now)"
)

// conditionOf writes a condition; nothing for Always.
func conditionOf(c table.Cond, now int64) expression {
	e := expression{names: map[string]string{"#p": partitionName, "#e": expiresName}, values: attributes{":now": number(now)}}
	switch {
	case c.Unconditional():
		return expression{}
	case c.WantsAbsent():
		e.condition = aws.String(isAbsent)
	case c.Rev() != 0:
		e.condition = aws.String("#r = :r AND " + isLiving)
		delete(e.names, "#p")
		e.names["#r"], e.values[":r"] = revName, number(int64(c.Rev()))
	default:
		e.condition = aws.String(isThere)
	}
	return e
}

// counting adds to a counter that lives or is absent; one that has expired but
// still stands there fails it, and is replaced by a call of its own.
func counting(w table.Write, rev, now int64, limited bool) expression {
	e := expression{
		update: aws.String("SET #n = if_not_exists(#n, :zero) + :d, #e = if_not_exists(#e, :e), #r = :r, #k = :k"),
		names:  map[string]string{"#n": sumName, "#e": expiresName, "#r": revName, "#k": kindName, "#p": partitionName},
		values: attributes{
			":zero": number(0), ":d": number(w.Delta), ":e": number(endOf(w.Item.Expires)),
			":r": number(rev), ":k": text(counterKind), ":now": number(now),
		},
	}
	switch {
	case !limited:
		e.condition = aws.String("attribute_not_exists(#p) OR " + isLiving)
		return e
	case w.Below > 0:
		e.condition = aws.String("attribute_not_exists(#p) OR (" + isLiving + " AND #n < :below)")
	default: // an absent counter stands at zero, which is not below
		e.condition = aws.String(isThere + " AND #n < :below")
	}
	e.values[":below"] = number(w.Below)
	return e
}

// step is a write as a part of a transaction, at its new revision. over says
// that a counter has been found expired and begins anew.
func (s *Store) step(w table.Write, rev, now int64, over bool) types.TransactWriteItem {
	onFailure := types.ReturnValuesOnConditionCheckFailureAllOld
	c := conditionOf(w.If, now)
	switch {
	case w.Op == table.OpPut:
		return types.TransactWriteItem{Put: &types.Put{TableName: &s.Table, Item: encode(w.Item, rev), ConditionExpression: c.condition,
			ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values, ReturnValuesOnConditionCheckFailure: onFailure}}
	case w.Op == table.OpDelete:
		return types.TransactWriteItem{Delete: &types.Delete{TableName: &s.Table, Key: place(w.Item.Key), ConditionExpression: c.condition,
			ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values, ReturnValuesOnConditionCheckFailure: onFailure}}
	case w.Op == table.OpCheck && w.If.Unconditional():
		// DynamoDB demands an expression; this one always holds.
		c = expression{condition: aws.String("attribute_exists(#p) OR attribute_not_exists(#p)"), names: map[string]string{"#p": partitionName}}
		fallthrough
	case w.Op == table.OpCheck:
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: &s.Table, Key: place(w.Item.Key), ConditionExpression: c.condition,
			ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values, ReturnValuesOnConditionCheckFailure: onFailure}}
	case over:
		c = conditionOf(table.Absent(), now)
		return types.TransactWriteItem{Put: &types.Put{TableName: &s.Table, Item: counter(w, rev), ConditionExpression: c.condition,
			ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values, ReturnValuesOnConditionCheckFailure: onFailure}}
	}
	c = counting(w, rev, now, true)
	return types.TransactWriteItem{Update: &types.Update{TableName: &s.Table, Key: place(w.Item.Key), UpdateExpression: c.update, ConditionExpression: c.condition,
		ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values, ReturnValuesOnConditionCheckFailure: onFailure}}
}
